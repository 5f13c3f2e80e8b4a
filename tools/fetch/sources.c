/* The table. Addresses are those of the sets' own pages. Checksums are copied, never computed here;
 * each comment says who publishes them. */
#include "tools/fetch/sources.h"

#define COUNT(array) (sizeof(array) / sizeof *(array))
#define FILES(array) .file = array, .files = COUNT(array)
#define PARTS(array) .part = array, .parts = COUNT(array)

/* ---- images ---- */
/* MD5: https://www.cs.toronto.edu/~kriz/cifar.html; size and SHA-256: TensorFlow Datasets,
 * url_checksums/cifar10.txt. */
static const bnn_source_file cifar10[] = {
    {"https://www.cs.toronto.edu/~kriz/cifar-10-binary.tar.gz", 170052171,
     "c32a1d4ab5d03f1284b67883e8d87530",
     "c4a38c50a1bc5f3a1c5537f2155ab9d68f9f25eb1ed8d9ddda3db29a59bca1dd", "cifar-10-batches-bin"}};
static const bnn_source_part cifar10_parts[] = {
    {"data_batch_1.bin", 30730000}, {"data_batch_2.bin", 30730000}, {"data_batch_3.bin", 30730000},
    {"data_batch_4.bin", 30730000}, {"data_batch_5.bin", 30730000}, {"test_batch.bin", 30730000}};

/* MD5: https://zenodo.org/records/2535967; size and SHA-256: TensorFlow Datasets,
 * url_checksums/cifar10_corrupted.txt. */
static const bnn_source_file cifar10_c[] = {
    {"https://zenodo.org/records/2535967/files/CIFAR-10-C.tar", 2918471680,
     "56bf5dcef84df0e2308c6dcbcbbd8499",
     "c72763e101c723b7c507b96205f7e938912a5d587376173b825850cf3cb876a7", "CIFAR-10-C"}};
static const bnn_source_part cifar10_c_parts[] = {
    {"labels.npy", 0},       {"gaussian_noise.npy", 0},
    {"shot_noise.npy", 0},   {"impulse_noise.npy", 0},
    {"defocus_blur.npy", 0}, {"glass_blur.npy", 0},
    {"motion_blur.npy", 0},  {"zoom_blur.npy", 0},
    {"snow.npy", 0},         {"frost.npy", 0},
    {"fog.npy", 0},          {"brightness.npy", 0},
    {"contrast.npy", 0},     {"elastic_transform.npy", 0},
    {"pixelate.npy", 0},     {"jpeg_compression.npy", 0}};

/* MD5: https://github.com/zalandoresearch/fashion-mnist; sizes and SHA-256: TensorFlow Datasets,
 * url_checksums/fashion_mnist.txt. */
#define FASHION "http://fashion-mnist.s3-website.eu-central-1.amazonaws.com/"
static const bnn_source_file fashion_mnist[] = {
    {FASHION "train-images-idx3-ubyte.gz", 26421880, "8d4fb7e6c68d591d4c3dfef9ec88bf0d",
     "3aede38d61863908ad78613f6a32ed271626dd12800ba2636569512369268a84", NULL},
    {FASHION "train-labels-idx1-ubyte.gz", 29515, "25c81989df183df01b3e8a0aad5dffbe",
     "a04f17134ac03560a47e3764e11b92fc97de4d1bfaf8ba1a3aa29af54cc90845", NULL},
    {FASHION "t10k-images-idx3-ubyte.gz", 4422102, "bef4ecab320f06d8554ea6380940ec79",
     "346e55b948d973a97e58d2351dde16a484bd415d4595297633bb08f03db6a073", NULL},
    {FASHION "t10k-labels-idx1-ubyte.gz", 5148, "bb300cfdad3c16e7a12a480ee83cd310",
     "67da17c76eaffca5446c3361aaab5c3cd6d1c2608764d35dfb1850b086bf8dd5", NULL}};

/* Mirror and MD5: torchvision, datasets/mnist.py; the set's own page asks for a password. */
#define MNIST "https://ossci-datasets.s3.amazonaws.com/mnist/"
static const bnn_source_file mnist[] = {
    {MNIST "train-images-idx3-ubyte.gz", 9912422, "f68b3c2dcbeaaa9fbdd348bbdeb94873", NULL, NULL},
    {MNIST "train-labels-idx1-ubyte.gz", 28881, "d53e105ee54ea40749a09fcbcd1e9432", NULL, NULL},
    {MNIST "t10k-images-idx3-ubyte.gz", 1648877, "9fb629c4189551a2d022fa330f9573f3", NULL, NULL},
    {MNIST "t10k-labels-idx1-ubyte.gz", 4542, "ec29112dd5afa0611ce80d1b7f02629c", NULL, NULL}};

/* MD5: torchvision, datasets/imagenette.py; size and SHA-256: TensorFlow Datasets,
 * url_checksums/imagenette.txt. */
static const bnn_source_file imagenette[] = {
    {"https://s3.amazonaws.com/fast-ai-imageclas/imagenette2-320.tgz", 341553947,
     "3df6f0d01a2c9592104656642f5e78a3",
     "5020a9130cea0348272823cb12d2db7e981c6f2afa3dce71ccd5b8013005c55e", "imagenette2-320"}};
static const bnn_source_part photo_parts[] = {{"train", 0}, {"val", 0}};

/* ---- boxes ---- */
/* MD5: torchvision, datasets/voc.py; sizes: TensorFlow Datasets, url_checksums/voc.txt. */
#define VOC "http://host.robots.ox.ac.uk/pascal/VOC/"
static const bnn_source_file voc2007[] = {
    {VOC "voc2007/VOCtrainval_06-Nov-2007.tar", 460032000, "c52e279531787c972589f7e41ab4ae64", NULL,
     "VOCdevkit/VOC2007"},
    {VOC "voc2007/VOCtest_06-Nov-2007.tar", 451020800, "b6e924de25625d8de591ea690078ad9f", NULL,
     "VOCdevkit/VOC2007"}};
static const bnn_source_file voc2012[] = {{VOC "voc2012/VOCtrainval_11-May-2012.tar", 1999639040,
                                           "6cd6e144f989b92b3379bac3b3de84fd", NULL,
                                           "VOCdevkit/VOC2012"}};
static const bnn_source_part voc2007_parts[] = {{"JPEGImages", 0},
                                                {"Annotations", 0},
                                                {"ImageSets/Main/trainval.txt", 0},
                                                {"ImageSets/Main/test.txt", 0}};
static const bnn_source_part voc2012_parts[] = {{"JPEGImages", 0},
                                                {"Annotations", 0},
                                                {"ImageSets/Main/train.txt", 0},
                                                {"ImageSets/Main/val.txt", 0}};

/* Sizes and SHA-256: TensorFlow Datasets, url_checksums/coco.txt. */
#define COCO "http://images.cocodataset.org/"
static const bnn_source_file coco[] = {
    {COCO "annotations/annotations_trainval2017.zip", 252907541, NULL,
     "113a836d90195ee1f884e704da6304dfaaecff1f023f49b6ca93c4aaae470268", ""},
    {COCO "zips/val2017.zip", 815585330, NULL,
     "4f7e2ccb2866ec5041993c9cf2a952bbed69647b115d0f74da7ce8f4bef82f05", ""},
    {COCO "zips/train2017.zip", 19336861798, NULL,
     "69a8bb58ea5f8f99d24875f21416de2e9ded3178e903f1f7603e283b9e06d929", ""}};
static const bnn_source_part coco_parts[] = {{"train2017", 0},
                                             {"val2017", 0},
                                             {"annotations/instances_train2017.json", 0},
                                             {"annotations/instances_val2017.json", 0}};

/* ---- sound, shapes ---- */
/* Size and SHA-256: TensorFlow Datasets, url_checksums/speech_commands.txt; of version 0.01,
 * torchaudio's speechcommands.py and the server's length. */
static const bnn_source_file speech_commands[] = {
    {"http://download.tensorflow.org/data/speech_commands_v0.02.tar.gz", 2428923189, NULL,
     "af14739ee7dc311471de98f5f9d2c9191b18aedfe957f4a6ff791c709868ff58", ""}};
static const bnn_source_file speech_commands_first[] = {
    {"http://download.tensorflow.org/data/speech_commands_v0.01.tar.gz", 1489096277, NULL,
     "743935421bb51cccdb6bdd152e04c5c70274e935c82119ad7faeec31780d811d", ""}};
static const bnn_source_part speech_parts[] = {
    {"testing_list.txt", 0}, {"validation_list.txt", 0}, {"_background_noise_", 0}, {"cat", 0}};

/* Size and SHA-256: TensorFlow Datasets, url_checksums/modelnet40.txt. */
static const bnn_source_file modelnet40[] = {
    {"http://modelnet.cs.princeton.edu/ModelNet40.zip", 2039180837, NULL,
     "42dc3e656932e387f554e25a4eb2cc0e1a1bd3ab54606e2a9eae444c60e536ac", "ModelNet40"}};
static const bnn_source_part modelnet40_parts[] = {
    {"airplane/train", 0}, {"airplane/test", 0}, {"xbox/train", 0}, {"xbox/test", 0}};

/* Address: PointNet's own repository; nobody publishes checksums of these two. */
#define SHAPENET "https://shapenet.cs.stanford.edu/media/"
static const bnn_source_file modelnet40_hdf5[] = {
    {SHAPENET "modelnet40_ply_hdf5_2048.zip", 0, NULL, NULL, "modelnet40_ply_hdf5_2048"}};
static const bnn_source_part modelnet40_hdf5_parts[] = {
    {"train_files.txt", 0}, {"test_files.txt", 0}, {"shape_names.txt", 0}};
#define PART "shapenetcore_partanno_segmentation_benchmark_v0_normal"
static const bnn_source_file shapenet_part[] = {{SHAPENET PART ".zip", 0, NULL, NULL, PART}};
static const bnn_source_part shapenet_part_parts[] = {
    {"train_test_split/shuffled_train_file_list.json", 0},
    {"train_test_split/shuffled_test_file_list.json", 0},
    {"03001627", 0}};

/* ---- texts: sizes and SHA-256: TensorFlow Datasets, url_checksums/glue.txt, and Hugging Face's
 * dataset_infos of glue; addresses: the latter, and gluebenchmark.com/tasks ---- */
#define GLUE "https://dl.fbaipublicfiles.com/glue/data/"
/* The vocabulary of the BERTs that the networks are the size of, without which no text is read. */
#define VOCABULARY                                                                                 \
    {                                                                                              \
        "https://huggingface.co/bert-base-uncased/resolve/"                                        \
        "86b5e0934494bd15c9632b12f734a8a67f723594/vocab.txt",                                      \
            231508, NULL, "07eced375cec144d27c900241f3e339478dec958f92fddbc551f295c992038a3", NULL \
    }
static const bnn_source_file cola[] = {
    {GLUE "CoLA.zip", 376971, NULL,
     "f212fcd832b8f7b435fb991f101abf89f96b933ab400603bf198960dfc32cbff", "CoLA"},
    VOCABULARY};
static const bnn_source_file sst2[] = {
    {GLUE "SST-2.zip", 7439277, NULL,
     "d67e16fb55739c1b32cdce9877596db1c127dc322d93c082281f64057c16deaa", "SST-2"},
    VOCABULARY};
static const bnn_source_file stsb[] = {
    {GLUE "STS-B.zip", 802872, NULL,
     "e60a6393de5a8b5b9bac5020a1554b54e3691f9d600b775bd131e613ac179c85", "STS-B"},
    VOCABULARY};
static const bnn_source_file mnli[] = {
    {GLUE "MNLI.zip", 312783507, NULL,
     "e7c1d896d26ed6caf700110645df426cc2d8ebf02a5ab743d5a5c68ac1c83633", "MNLI"},
    VOCABULARY};
static const bnn_source_file qqp[] = {
    {GLUE "QQP-clean.zip", 41696084, NULL,
     "40e7c862c04eb26ee04b67fd900e76c45c6ba8e6d8fab4f8f1f8072a1a3fbae0", "QQP"},
    VOCABULARY};
static const bnn_source_file qnli[] = {
    {GLUE "QNLIv2.zip", 10627589, NULL,
     "e634e78627a29adaecd4f955359b22bf5e70f2cbd93b493f2d624138a0c0e5f5", "QNLI"},
    VOCABULARY};
static const bnn_source_file rte[] = {
    {GLUE "RTE.zip", 697150, NULL,
     "6bf86de103ecd335f3441bd43574d23fef87ecc695977a63b82d5efb206556ee", "RTE"},
    VOCABULARY};
static const bnn_source_file wnli[] = {
    {GLUE "WNLI.zip", 28999, NULL,
     "ae0e8e4d16f4d46d4a0a566ec7ecceccfd3fbfaa4a7a4b4e02848c0f2561ac46", "WNLI"},
    VOCABULARY};
static const bnn_source_part glue_parts[] = {{"train.tsv", 0}, {"dev.tsv", 0}};
static const bnn_source_part mnli_parts[] = {
    {"train.tsv", 0}, {"dev_matched.tsv", 0}, {"dev_mismatched.tsv", 0}};
#define GLUE_SET(of_name, of_text, of_folder, of_file, of_parts, takes, most)                      \
    {                                                                                              \
        .name = of_name, .text = of_text, .folder = "glue_data/" of_folder,                        \
        .page = "https://gluebenchmark.com/tasks", .terms = "each task's own; see the page",       \
        .option = "--data " of_name " --data-dir", .data_dir = "", FILES(of_file),                 \
        PARTS(of_parts), .unpacked = takes, .entries = most                                        \
    }

const bnn_source bnn_sources[] = {
    {.name = "cifar10",
     .text = "60000 photographs of 32x32 in 10 classes, binary version",
     .folder = "cifar-10-batches-bin",
     .page = "https://www.cs.toronto.edu/~kriz/cifar.html",
     .terms = "none stated; cite Krizhevsky 2009",
     .option = "--data cifar10 --data-dir",
     .data_dir = "",
     .data = "cifar10",
     .train = 50000,
     .test = 10000,
     FILES(cifar10),
     PARTS(cifar10_parts),
     .unpacked = 184400000,
     .entries = 20},
    {.name = "cifar10_c",
     .text = "CIFAR-10's test images, corrupted in 19 ways and 5 severities",
     .folder = "CIFAR-10-C",
     .page = "https://zenodo.org/records/2535967",
     .terms = "CC BY 4.0",
     .option = "bnn-eval RUN --corruptions",
     .data_dir = "",
     FILES(cifar10_c),
     PARTS(cifar10_c_parts),
     .unpacked = 2919000000,
     .entries = 40},
    {.name = "fashion_mnist",
     .text = "70000 grey pictures of clothes, 28x28, in 10 classes",
     .folder = "fashion-mnist",
     .page = "https://github.com/zalandoresearch/fashion-mnist",
     .terms = "MIT",
     .option = "--data fashion_mnist --data-dir",
     .data_dir = "",
     .data = "fashion_mnist",
     .train = 60000,
     .test = 10000,
     FILES(fashion_mnist)},
    {.name = "mnist",
     .text = "70000 grey pictures of digits, 28x28, in 10 classes",
     .folder = "mnist",
     .page = "http://yann.lecun.com/exdb/mnist",
     .terms = "CC BY-SA 3.0",
     .option = "--data mnist --data-dir",
     .data_dir = "",
     .data = "mnist",
     .train = 60000,
     .test = 10000,
     FILES(mnist)},
    {.name = "imagenette",
     .text = "13394 photographs of 10 of ImageNet's classes, shorter side 320",
     .folder = "imagenette2-320",
     .page = "https://github.com/fastai/imagenette",
     .terms = "Apache 2.0; the photographs are ImageNet's",
     .option = "--data imagenet --data-dir",
     .data_dir = "",
     .data = "imagenet",
     .train = 9469,
     .test = 3925,
     FILES(imagenette),
     PARTS(photo_parts),
     .unpacked = 360000000,
     .entries = 14000},
    {.name = "imagenet",
     .text = "1.3 million photographs of 1000 classes",
     .folder = "imagenet",
     .page = "https://image-net.org/download.php",
     .terms = "research and teaching only, by agreement",
     .option = "--data imagenet --data-dir",
     .data_dir = "",
     .data = "imagenet",
     .train = 1281167,
     .test = 50000,
     PARTS(photo_parts),
     /* MD5: torchvision, datasets/imagenet.py. */
     .by_hand =
         "register at https://image-net.org/download.php and agree to the terms; of ILSVRC "
         "2012 get ILSVRC2012_img_train.tar (MD5 1d675b47d978889d74fa0da5fadfb00e) and "
         "ILSVRC2012_img_val.tar (MD5 29b22e2961454d5413ddabcf34fc5622); unpack the first, "
         "and each archive in it, into train/CLASS, the second into val, whose classes stand "
         "in meta/val.txt, a line 'FILE NUMBER' each"},
    {.name = "voc2007",
     .text = "9963 photographs with boxes of 20 classes",
     .folder = "VOCdevkit/VOC2007",
     .page = "http://host.robots.ox.ac.uk/pascal/VOC/voc2007",
     .terms = "Flickr's terms of use",
     .option = "--data voc --years 2007 --data-dir",
     .data_dir = "VOCdevkit",
     .data = "voc",
     .variant = "2007",
     .train = 5011,
     .test = 4952,
     FILES(voc2007),
     PARTS(voc2007_parts),
     .unpacked = 920000000,
     .entries = 25000},
    {.name = "voc2012",
     .text = "11540 photographs with boxes of 20 classes",
     .folder = "VOCdevkit/VOC2012",
     .page = "http://host.robots.ox.ac.uk/pascal/VOC/voc2012",
     .terms = "Flickr's terms of use",
     .option = "--data voc --years 2012 --data-dir",
     .data_dir = "VOCdevkit",
     .data = "voc",
     .variant = "2012",
     .train = 5717,
     .test = 5823,
     FILES(voc2012),
     PARTS(voc2012_parts),
     .unpacked = 2000000000,
     .entries = 45000},
    {.name = "coco2017",
     .text = "123287 photographs with boxes of 80 classes",
     .folder = "coco",
     .page = "https://cocodataset.org/#download",
     .terms = "annotations CC BY 4.0; images by Flickr's terms of use",
     .option = "--data coco --data-dir",
     .data_dir = "",
     .data = "coco",
     FILES(coco),
     PARTS(coco_parts),
     .unpacked = 21300000000,
     .entries = 124000},
    {.name = "speech_commands",
     .text = "105829 spoken words of 35, one second each, version 0.02",
     .folder = "speech_commands_v0.02",
     .page = "https://arxiv.org/abs/1804.03209",
     .terms = "CC BY 4.0",
     .option = "--data speech_commands --data-dir",
     .data_dir = "",
     .data = "speech_commands",
     FILES(speech_commands),
     PARTS(speech_parts),
     .unpacked = 3800000000,
     .entries = 107000},
    {.name = "speech_commands_v0.01",
     .text = "64727 spoken words of 30, one second each, version 0.01, which BiBench has",
     .folder = "speech_commands_v0.01",
     .page = "https://arxiv.org/abs/1804.03209",
     .terms = "CC BY 4.0",
     .option = "--data speech_commands --data-dir",
     .data_dir = "",
     .data = "speech_commands",
     FILES(speech_commands_first),
     PARTS(speech_parts),
     .unpacked = 2300000000,
     .entries = 66000},
    {.name = "modelnet40",
     .text = "12311 shapes of 40 classes, as meshes",
     .folder = "ModelNet40",
     .page = "https://modelnet.cs.princeton.edu",
     .terms = "academic use only",
     .option = "--data modelnet40 --data-dir",
     .data_dir = "",
     .data = "modelnet40",
     .train = 9843,
     .test = 2468,
     FILES(modelnet40),
     PARTS(modelnet40_parts),
     .unpacked = 10500000000,
     .entries = 26000},
    {.name = "modelnet40_hdf5",
     .text = "12308 shapes of 40 classes, as 2048 points each",
     .folder = "modelnet40_ply_hdf5_2048",
     .page = "https://github.com/charlesq34/pointnet",
     .terms = "academic use only",
     .option = "--data modelnet40 --data-dir",
     .data_dir = "",
     .data = "modelnet40",
     .train = 9840,
     .test = 2468,
     FILES(modelnet40_hdf5),
     PARTS(modelnet40_hdf5_parts),
     .unpacked = 600000000,
     .entries = 100},
    {.name = "shapenet_part",
     .text = "16881 shapes of 16 kinds in 50 parts, points with normals",
     .folder = PART,
     .page = "https://github.com/charlesq34/pointnet2",
     .terms = "ShapeNet's terms of use",
     .option = "--data shapenet_part --data-dir",
     .data_dir = "",
     .data = "shapenet_part",
     FILES(shapenet_part),
     PARTS(shapenet_part_parts),
     .unpacked = 2600000000,
     .entries = 18000},
    GLUE_SET("glue_cola", "GLUE: is a sentence English grammar?", "CoLA", cola, glue_parts, 3000000,
             100),
    GLUE_SET("glue_sst2", "GLUE: does a phrase praise a film?", "SST-2", sst2, glue_parts,
             100000000, 300),
    GLUE_SET("glue_stsb", "GLUE: how alike are two sentences?", "STS-B", stsb, glue_parts, 10000000,
             200),
    GLUE_SET("glue_mnli", "GLUE: does a sentence follow from another?", "MNLI", mnli, mnli_parts,
             1500000000, 100),
    GLUE_SET("glue_qqp", "GLUE: do two questions ask the same?", "QQP", qqp, glue_parts, 200000000,
             100),
    GLUE_SET("glue_qnli", "GLUE: does a sentence answer a question?", "QNLI", qnli, glue_parts,
             50000000, 100),
    GLUE_SET("glue_rte", "GLUE: does a sentence follow from another?", "RTE", rte, glue_parts,
             5000000, 100),
    GLUE_SET("glue_wnli", "GLUE: does a sentence resolve a pronoun?", "WNLI", wnli, glue_parts,
             1000000, 100),
    {.name = "glue_mrpc",
     .text = "GLUE: do two sentences say the same?",
     .folder = "glue_data/MRPC",
     .page = "https://gluebenchmark.com/tasks",
     .terms = "Microsoft Research's",
     .option = "--data glue_mrpc --data-dir",
     .data_dir = "",
     PARTS(glue_parts),
     .by_hand = "no archive of it may be passed on: download_glue_data.py of "
                "https://github.com/nyu-mll/GLUE-baselines makes MRPC/train.tsv and dev.tsv of "
                "Microsoft's installer, https://www.microsoft.com/en-us/download/details.aspx?id="
                "52398; the vocab.txt that comes with glue_rte goes there, too"},
};

const size_t bnn_source_count = COUNT(bnn_sources);
