/* bnn-train: options in, a run folder out. The loop itself is trainer.c. */
#include <math.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "engine/base/text.h"
#include "tools/cli/interrupt.h"
#include "tools/cli/json_file.h"
#include "tools/cli/names.h"
#include "tools/cli/quiet.h"
#include "tools/cli/shell.h"
#include "tools/ranks/ranks.h"
#include "tools/run/data_spec.h"
#include "tools/run/device.h"
#include "tools/run/outputs.h"
#include "tools/train/plan_table.h"
#include "tools/train/recipes.h"
#include "tools/train/resume.h"
#include "tools/cli/start.h"
#include "tools/train/trainer.h"

/* Values below an option's least mean "not chosen": the data set's recipe decides. */
static bnn_device_choice where = {.device = "cpu", .precision = "usual"};
static const char *algo = "reactnet", *arch = "resnet18", *data = "fashion_mnist", *data_dir;

static const char *words, *category, *test_genres, *years, *vocab, *pool = "usual", *ties = "own";
static const char *optimizer, *scheduler, *output, *init_from, *teacher, *resume, *milestones,
    *json_file;
static int64_t epochs = 0, batch_size = 0, warmup_epochs = -1, seed = 1, threads = 0;
static int64_t limit_train = 0, limit_test = 0, image_size = 0, canvas = 0, points = 0, length = 0;
static int64_t accumulate = 1, checkpoint_every = 0, patience = 0;
static const char *frozen;
static double clip_norm = 0.0, clip_grad_norm = 0.0, ema = 0.0;
static double lr = -1.0, momentum = -1.0, weight_decay = -1.0, dropout = -1.0;
static const char *distill = "logits";
static bnn_comm comm; /* of the ranks, under mpirun */
static bool sync_bn, group_by_length, no_augment, nesterov, init_partial, overwrite, list, dry_run,
    profile, accept_changed_data, tensorboard;
static char data_path[PATH_MAX], vocab_path[PATH_MAX], init_path[PATH_MAX],
    teacher_path[PATH_MAX]; /* as recorded */

static bnn_option options[] = {
    {"algo", BNN_OPTION_STRING, &algo, "NAME",
     "Binarization algorithm, or fp32 for the float twin.", .choices = bnn_algorithm_names,
     .from_config = 2},
    {"arch", BNN_OPTION_STRING, &arch, "NAME", "Network.", .choices = bnn_arch_names,
     .from_config = 2},
    {"data", BNN_OPTION_STRING, &data, "NAME", "Data set.", .choices = bnn_dataset_names,
     .from_config = 2},
    {"data-dir", BNN_OPTION_STRING, &data_dir, "DIR", "Folder of the data set's files.",
     .default_text = "where the system keeps Fashion-MNIST; others must be given",
     .from_config = 1},
    {"words", BNN_OPTION_STRING, &words, "WORD,...",
     "Of speech_commands: the words to tell apart; unknown and silence are among them if listed.",
     .default_text = "unknown,silence,yes,no,up,down,left,right,on,off,stop,go", .from_config = 2},
    {"category", BNN_OPTION_STRING, &category, "NAME",
     "Of shapenet_part: the kind of shapes whose parts are learned; all: every kind at once.",
     .default_text = "all", .from_config = 2},
    {"points", BNN_OPTION_INT, &points, "N", "Points of a cloud.",
     .default_text = "the data set's: 1024 for modelnet40, 4096 for shapenet_part", .min = 1,
     .max = BNN_MAX_SIDE, .from_config = 2},
    {"vocab", BNN_OPTION_STRING, &vocab, "FILE",
     "Of texts: the vocabulary, such as the vocab.txt of bert-base-uncased.",
     .default_text = "vocab.txt in the data set's folder or one level up", .from_config = 1},
    {"length", BNN_OPTION_INT, &length, "N",
     "Tokens of a text: what is longer is cut off, what is shorter filled up.",
     .default_text = "the data set's: 64 for glue_cola and glue_sst2, 128 for other texts",
     .min = 3, .max = BNN_MAX_SIDE, .from_config = 2},
    {"group-by-length", BNN_OPTION_FLAG, &group_by_length, NULL,
     "Batches of texts of like length. A batch is as long as its longest text: of phrases and "
     "sentences, like those of glue_sst2, a step then takes half the time.",
     .from_config = 2},
    {"no-augment", BNN_OPTION_FLAG, &no_augment, NULL,
     "Train on samples as a test sees them, not flipped, cut or moved anew in each epoch: what can "
     "be learned by heart shows whether a network learns at all.",
     .from_config = 2},
    {"test-genres", BNN_OPTION_STRING, &test_genres, "NAME",
     "Of glue_mnli: test on the genres of the training set, matched, or on others, mismatched.",
     .default_text = "matched", .from_config = 2},
    {"years", BNN_OPTION_STRING, &years, "YEARS",
     "Of voc: 07+12 (trained on both, tested on 2007's test), 2007 or 2012.",
     .default_text = "07+12", .from_config = 2},
    {"pool", BNN_OPTION_STRING, &pool, "NAME",
     "How PointNets make one of all points: max, mean, or ema-max, the maximum moved to the centre "
     "of its distribution; usual is ema-max in binary networks, max in float ones.",
     .choices = bnn_pool_names, .from_config = 2},
    {"ties", BNN_OPTION_STRING, &ties, "NAME",
     "Of binary attention: what a token's context is where as many of the values it attends to are "
     "+1 as are -1, or there are none: own, its own value, or plus, +1, the sign of 0.",
     .choices = bnn_ties_names, .from_config = 2},
    {"epochs", BNN_OPTION_INT, &epochs, "N", "Times through the training set.",
     .default_text =
         "the recipe's: 60 for fashion_mnist and mnist, 3 to 50 for texts, 100 for imagenet, 25 or "
         "240 for voc, 12 or 24 for coco, 200 to 400 for others",
     .min = 1, .max = 100000, .from_config = 2, .may_grow = 1},
    {"batch-size", BNN_OPTION_INT, &batch_size, "N",
     "Samples a step; under mpirun, of all ranks together.",
     .default_text =
         "the recipe's: 128; 96 or 256 for clouds, sound and imagenet, 16 or 32 for texts, 2 to 32 "
         "for voc and coco",
     .min = 1, .max = 65536, .from_config = 2},
    {"sync-bn", BNN_OPTION_FLAG, &sync_bn, NULL,
     "Under mpirun, on CPUs: batch norms have statistics of the whole batch, not of a rank's part "
     "of it.",
     .from_config = 2},
    {"accumulate", BNN_OPTION_INT, &accumulate, "N",
     "Batches whose gradients are added up for one step: the step of a batch N times as large, in "
     "the memory of one (but for the statistics of batch norms, which stay each batch's own).",
     .min = 1, .max = 65536, .from_config = 2},
    {"optimizer", BNN_OPTION_STRING, &optimizer, "NAME", "Optimizer.",
     .default_text =
         "the recipe's: adam; sgd for speech_commands (but binary fsmn) and float networks of "
         "photographs; bert_adam for texts",
     .choices = bnn_optimizer_names, .from_config = 2},
    {"lr", BNN_OPTION_REAL, &lr, "X",
     "Base learning rate: of the first epoch, or reached after warm-up.",
     .default_text =
         "the recipe's: 0.001; 0.005 for binary deep_fsmn; 0.00001 to 0.0002 for texts; 0.0001 for "
         "binary detectors, 0.001 to 0.02 for float ones; else 0.1 with sgd",
     .min = 0, .max = 1000, .from_config = 2},
    {"momentum", BNN_OPTION_REAL, &momentum, "X", "Momentum of sgd.",
     .default_text = "the recipe's: 0.9; 0 for float ssd300_vgg16 on voc", .min = 0, .max = 1,
     .from_config = 2},
    {"nesterov", BNN_OPTION_FLAG, &nesterov, NULL,
     "Nesterov's momentum; the recipe for words with sgd has it.", .from_config = 2},
    {"weight-decay", BNN_OPTION_REAL, &weight_decay, "X", "Weight decay of all parameters.",
     .default_text = "the recipe's: 0; 0.0001 with sgd, but 0.01 for float networks of words and 0 "
                     "for float ssd300_vgg16 on voc; 0.01 for texts",
     .min = 0, .max = 10, .from_config = 2},
    {"clip-norm", BNN_OPTION_REAL, &clip_norm, "X",
     "Scale the gradient of a tensor down to this 2-norm where it is larger; 0: leave it "
     "(bert_adam: 1).",
     .min = 0, .max = 1e9, .from_config = 2},
    {"clip-grad-norm", BNN_OPTION_REAL, &clip_grad_norm, "X",
     "Scale all gradients of a step down together where their 2-norm is larger; 0: leave them.",
     .min = 0, .max = 1e9, .from_config = 2},
    {"ema", BNN_OPTION_REAL, &ema, "DECAY",
     "Evaluate and save, instead of the last step's parameters, their exponential moving average: "
     "after each step DECAY of it stays, as 0.999. What becomes a bit is averaged before. An "
     "algorithm with phases averages each one anew; 0: no average.",
     .min = 0, .max = 0.9999999, .from_config = 2},
    {"dropout", BNN_OPTION_REAL, &dropout, "X",
     "Of networks of text: the part of the values that a step leaves out.",
     .default_text = "the recipe's: 0.1", .min = 0, .max = 0.99, .from_config = 2},
    {"freeze", BNN_OPTION_STRING, &frozen, "MODULE,...",
     "Parameters that stay as they are, by the modules they lie in: conv1,layer1 (--dry-run names "
     "the layers).",
     .default_text = "none", .from_config = 2},
    {"scheduler", BNN_OPTION_STRING, &scheduler, "NAME",
     "How the learning rate falls, from epoch to epoch or, linear, from step to step.",
     .default_text = "the recipe's: cosine; warmup-linear for texts; step for float Faster R-CNNs "
                     "and coco",
     .choices = bnn_lr_schedule_names, .from_config = 2},
    {"milestones", BNN_OPTION_STRING, &milestones, "N,N",
     "Epochs at which --scheduler step divides the learning rate by ten.",
     .default_text = "the recipe's, or 100,150", .from_config = 2},
    {"warmup-epochs", BNN_OPTION_INT, &warmup_epochs, "N",
     "Epochs of linear warm-up from a hundredth of the learning rate.",
     .default_text =
         "the recipe's: 0; 5 for speech_commands, 1 for float networks on coco; a tenth of all "
         "epochs with warmup-linear",
     .min = 0, .max = 1000, .from_config = 2},
    {"patience", BNN_OPTION_INT, &patience, "N",
     "End after N epochs without a better test score (of an algorithm with phases, in its last).",
     .default_text = "train all epochs", .min = 1, .max = 100000, .from_config = 2},
    {"seed", BNN_OPTION_INT, &seed, "N", "Seed of all randomness.", .min = 0, .max = 0x1p53,
     .from_config = 2},
    {"limit-train", BNN_OPTION_INT, &limit_train, "N", "Use the first N training samples.",
     .default_text = "all", .min = 1, .max = 1e9, .from_config = 2},
    {"limit-test", BNN_OPTION_INT, &limit_test, "N", "Use the first N test samples.",
     .default_text = "all", .min = 1, .max = 1e9, .from_config = 2},
    {"threads", BNN_OPTION_INT, &threads, "N", "Processors to use; results do not depend on it.",
     .default_text = "all", .min = 1, .max = 1024, .from_config = 1},
    {"device", BNN_OPTION_STRING, &where.device, "NAME", BNN_DEVICE_HELP, .from_config = 1},
    {"precision", BNN_OPTION_STRING, &where.precision, "NAME", BNN_PRECISION_HELP,
     .choices = bnn_precision_names, .from_config = 1},
    {"init-from", BNN_OPTION_STRING, &init_from, "FILE|DIR",
     "Start from another network's weights, as BiBench starts from a float twin: every tensor "
     "whose name and shape agree is taken, whatever prefix its tool put in front of the names. "
     "Safetensors, a state dict of torch.save (.pth, .pt, .bin), a folder of Hugging Face's "
     "layout with either, in one file or several, or a run's folder, whose best counts.",
     .from_config = 2},
    {"init-partial", BNN_OPTION_FLAG, &init_partial, NULL,
     "With --init-from: take what fits even if most of the weights do not.", .from_config = 2},
    {"teacher", BNN_OPTION_STRING, &teacher, "RUN|FILE",
     "A network that was trained on the same data (a checkpoint), whose outputs the student is to "
     "come close to.",
     .from_config = 2},
    {"distill", BNN_OPTION_STRING, &distill, "NAME",
     "With --teacher: logits, its outputs and half the targets' loss (BiBench); or dmd, also the "
     "directions of its attention's scores and of its hidden states (BiBERT).",
     .choices = bnn_distill_names + 1, .from_config = 2},
    {"output", BNN_OPTION_STRING, &output, "DIR", "Run folder.",
     .default_text = "runs/ALGO-ARCH-DATA"},
    {"overwrite", BNN_OPTION_FLAG, &overwrite, NULL, "Replace a run that is in the run folder.",
     .default_text = NULL},
    {"resume", BNN_OPTION_OPTIONAL_STRING, &resume, "RUN",
     "Go on with an interrupted run, exactly: a run folder or its last.safetensors; without RUN "
     "the one in --output. With more --epochs it is extended, if its learning rate and its "
     "algorithm do not follow their number.",
     .default_text = NULL},
    {"accept-changed-data", BNN_OPTION_FLAG, &accept_changed_data, NULL,
     "With --resume: go on although the data are not those the run began with, as when a damaged "
     "file was repaired; their checksum becomes the run's. It covers the contents of files that "
     "are read whole (images, HDF5, texts and their vocabulary), and of folders of files (clouds, "
     "sound) names, sizes and labels.",
     .default_text = NULL},
    {"checkpoint-every", BNN_OPTION_INT, &checkpoint_every, "N",
     "Save last.safetensors also after each N steps: a kill costs no more than these.",
     .default_text = "at the end of each epoch", .min = 1, .max = 1e12, .from_config = 1},
    {"tensorboard", BNN_OPTION_FLAG, &tensorboard, NULL,
     "Write events for TensorBoard, too: tensorboard --logdir DIR.", .from_config = 1},
    {"profile", BNN_OPTION_FLAG, &profile, NULL,
     "At the end, print where the steps' time and memory traffic went, by kind of op.",
     .default_text = NULL},
    {"image-size", BNN_OPTION_INT, &image_size, "N",
     "For --dry-run: images of N by N pixels instead of the data set's.",
     .default_text = "the data set's", .min = 8, .max = 4096},
    {"canvas", BNN_OPTION_INT, &canvas, "N",
     "Of faster_rcnn_resnet18: photographs are fitted into N by N pixels, of the mean colour "
     "around.",
     .default_text = "the data set's: 1024 for voc, 1344 for coco", .min = 32, .max = BNN_MAX_SIDE,
     .from_config = 2},
    {"dry-run", BNN_OPTION_FLAG, &dry_run, NULL,
     "Print the layers, their counts and the planned memory, and stop; needs no data.",
     .default_text = NULL},
    {"json", BNN_OPTION_STRING, &json_file, "FILE",
     "With --dry-run: write the counts as JSON; - for standard output.", .default_text = NULL},
    {"list", BNN_OPTION_FLAG, &list, NULL, "Print algorithms, networks and data sets.",
     .default_text = NULL},
};

static bnn_program program = {
    .name = "bnn-train",
    .summary = "train a binary neural network on real bits",
    .usage = "[options]",
    .description =
        "Trains a network with 1-bit weights and activations, or its float twin, and writes a run "
        "folder: config.json (all arguments), metrics.csv (a row an epoch), steps.jsonl (a line a "
        "step), last.safetensors and best.safetensors (PyTorch's parameter names). Interrupt it "
        "at any time and go on with --resume: the result is the same, byte for byte.",
    .examples =
        "bnn-train --algo reactnet --arch resnet20 --epochs 5\n"
        "bnn-train --algo bnn --arch resnet18 --data cifar10 --data-dir cifar-10-batches-bin\n"
        "bnn-train --resume runs/bnn-resnet18-cifar10",
    .options = options,
    .option_count = sizeof options / sizeof *options,
};

/* What was not chosen comes from the data set's recipe, or with sgd from BiBench's sgd recipe. */
static void resolve(const bnn_recipe *recipe) {
    epochs = epochs > 0 ? epochs : recipe->epochs;
    batch_size = batch_size > 0 ? batch_size : recipe->batch_size;
    optimizer = optimizer ? optimizer : recipe->optimizer;
    if (!milestones) {
        milestones = !scheduler && recipe->milestones ? recipe->milestones : "100,150";
    }
    scheduler = scheduler ? scheduler : recipe->scheduler;
    int sgd = strcmp(optimizer, "sgd") == 0 && strcmp(recipe->optimizer, "sgd") != 0;
    lr = lr >= 0.0 ? lr : sgd ? 0.1 : recipe->lr;
    momentum = momentum >= 0.0 ? momentum : recipe->momentum;
    weight_decay = weight_decay >= 0.0 ? weight_decay : sgd ? 1e-4 : recipe->weight_decay;
    dropout = dropout >= 0.0 ? dropout : recipe->dropout;
    warmup_epochs = warmup_epochs >= 0 ? warmup_epochs : recipe->warmup_epochs;
    nesterov = nesterov || (recipe->nesterov && strcmp(optimizer, recipe->optimizer) == 0);
}

static bnn_code parse_milestones(bnn_lr_schedule *schedule, bnn_error *err) {
    const char *text = milestones;
    while (*text) {
        char *end;
        long epoch = strtol(text, &end, 10);
        int last =
            schedule->milestone_count ? schedule->milestones[schedule->milestone_count - 1] : 0;
        if (end == text || epoch <= last || epoch > 100000 || (*end && *end != ',') ||
            schedule->milestone_count == BNN_MAX_MILESTONES) {
            return bnn_fail(err, BNN_ERR_ARGUMENT,
                            "--milestones %.64s: must be up to %d rising epochs, like 100,150",
                            milestones, BNN_MAX_MILESTONES);
        }
        schedule->milestones[schedule->milestone_count++] = (int)epoch;
        text = *end ? end + 1 : end;
    }
    return BNN_OK;
}

static bnn_code settings_from_options(bnn_train_settings *s, bnn_error *err) {
    const bnn_dataset_info *info = bnn_dataset_find(data);
    if (init_partial && !init_from) {
        return bnn_fail(err, BNN_ERR_ARGUMENT, "--init-partial has no effect without --init-from");
    }
    const int own_threads = threads ? (int)threads : bnn_device_threads_beside(comm.local_size);
    where.local_rank = comm.local_rank;
    bnn_code code = bnn_device_chosen(&where, own_threads, &s->device, err);
    if (code != BNN_OK) {
        return code;
    }
    s->loader_threads = bnn_device_host_threads(&s->device, own_threads);
    s->comm = &comm;
    s->sync_bn = sync_bn;
    code = bnn_spec_find(&s->spec, arch, algo, err);
    if (code != BNN_OK) {
        return code;
    }
    if (canvas && (!s->spec.arch->detections || s->spec.arch->side)) {
        return bnn_fail(err, BNN_ERR_ARGUMENT, "--canvas has no effect on --arch %s", arch);
    }
    if ((code = bnn_arch_fits(s->spec.arch, info, err)) != BNN_OK ||
        (code = bnn_pool_choose(&s->spec, pool, err)) != BNN_OK) {
        return code;
    }
    s->spec.ties = (bnn_ties)bnn_name_find(bnn_ties_names, ties);
    s->spec.dropout = (float)dropout;
    s->optimizer = bnn_optimizer_find(optimizer);
    s->momentum = momentum;
    s->weight_decay = weight_decay;
    s->nesterov = nesterov;
    s->clip_norm = clip_norm;
    s->clip_grad_norm = clip_grad_norm;
    s->ema = ema;
    s->freeze = frozen;
    s->schedule = (bnn_lr_schedule){
        .kind = (bnn_lr_schedule_kind)bnn_name_find(bnn_lr_schedule_names, scheduler),
        .lr = lr,
        .epochs = (int)epochs};
    s->warmup_epochs = (int)warmup_epochs;
    s->batch_size = (size_t)batch_size;
    /* Photographs that keep their proportions share a batch with their like, as in mmdetection. */
    s->group_by_length = group_by_length || (s->spec.arch->detections && !s->spec.arch->side);
    s->no_augment = no_augment;
    s->accumulate = (size_t)accumulate;
    s->seed = (uint64_t)seed;
    s->init_from = init_from;
    s->init_partial = init_partial;
    s->teacher = teacher;
    if (teacher) {
        s->spec.distill = (bnn_distill)bnn_name_find(bnn_distill_names, distill);
    }
    s->overwrite = overwrite;
    s->accept_changed_data = accept_changed_data;
    s->profile = profile;
    s->tensorboard = tensorboard;
    s->patience = (uint32_t)patience;
    s->checkpoint_every = (uint64_t)checkpoint_every;
    s->output = output;
    return parse_milestones(&s->schedule, err);
}

/* ---- options that do nothing, or do not go together ---- */

static void note_schedule(const bnn_lr_schedule *s) {
    if (s->kind != BNN_LR_STEP) {
        bnn_options_note(&program, "milestones", "has no effect without --scheduler step");
    } else if (s->milestone_count == 0 || s->milestones[0] >= s->epochs) {
        fprintf(stderr,
                "%s: note: --scheduler step reaches none of its milestones, %s, in %d epochs\n",
                program.name, *milestones ? milestones : "which are none", s->epochs);
    }
    if (warmup_epochs > 0 && warmup_epochs >= epochs) {
        fprintf(stderr, "%s: note: --warmup-epochs %d: the run ends before --lr is reached\n",
                program.name, (int)warmup_epochs);
    }
}

static void note_training_options(const bnn_train_settings *s) {
    bnn_options_note(&program, "image-size", "has no effect without --dry-run");
    bnn_options_note(&program, "json", "has no effect without --dry-run");
    if (!teacher) {
        bnn_options_note(&program, "distill", "has no effect without --teacher");
    }
    if (!s->spec.arch->positions) {
        bnn_options_note(&program, "dropout", "is for networks of text");
    }
    if (!s->spec.arch->positions || !s->spec.binarizer) {
        bnn_options_note(&program, "ties", "is for binary networks of text");
    }
    if (!resume) {
        bnn_options_note(&program, "accept-changed-data", "has no effect without --resume");
    }
}

static void note_options(const bnn_train_settings *s) {
    static const char *const planned[] = {"device",         "precision",
                                          "dry-run",        "algo",
                                          "arch",           "data",
                                          "image-size",     "batch-size",
                                          "optimizer",      "lr",
                                          "momentum",       "nesterov",
                                          "scheduler",      "milestones",
                                          "accumulate",     "clip-norm",
                                          "clip-grad-norm", "freeze",
                                          "pool",           "words",
                                          "category",       "points",
                                          "epochs",         "weight-decay",
                                          "resume",         "warmup-epochs",
                                          "threads",        "vocab",
                                          "length",         "test-genres",
                                          "years",          "canvas",
                                          "json",           "ema",
                                          "sync-bn",        "group-by-length",
                                          "no-augment",     NULL};
    note_schedule(&s->schedule);
    if (strcmp(optimizer, "sgd") != 0) {
        bnn_options_note(&program, "momentum", "has no effect without --optimizer sgd");
        bnn_options_note(&program, "nesterov", "has no effect without --optimizer sgd");
    } else if (momentum == 0.0) {
        bnn_options_note(&program, "nesterov", "has no effect without momentum");
    }
    if (comm.size == 1) {
        bnn_options_note(&program, "sync-bn",
                         "has no effect on one process: mpirun -np N bnn-train");
    }
    if (!s->spec.arch->positions) {
        bnn_options_note(&program, "group-by-length", "is for texts");
    }
    if (dry_run) {
        bnn_options_note_others(&program, planned, "these have no effect with --dry-run");
    } else {
        note_training_options(s);
    }
}

static void note_limits(size_t train_images, size_t test_images) {
    if ((size_t)limit_train > train_images) {
        bnn_options_note(&program, "limit-train", "has no effect: there are no more samples");
    }
    if ((size_t)limit_test > test_images) {
        bnn_options_note(&program, "limit-test", "has no effect: there are no more samples");
    }
}

/* More epochs change nothing of those that are done, unless something follows their number. */
static bnn_code check_extension(const bnn_train_settings *s, int64_t was, bnn_error *err) {
    const bnn_binarizer *algorithm = s->spec.binarizer;
    const int by_length = s->schedule.kind != BNN_LR_STEP && s->schedule.kind != BNN_LR_CONSTANT;
    if (!by_length && !(algorithm && algorithm->schedule)) {
        return BNN_OK;
    }
    return bnn_fail(err, BNN_ERR_ARGUMENT,
                    "--epochs differs from the run's own %d, which %s %s follows from its first "
                    "epoch; start a new run from its weights: --init-from %s/last.safetensors",
                    (int)was, by_length ? "--scheduler" : "--algo",
                    by_length ? scheduler : algorithm->name, s->output);
}

static bnn_code choose_data(const bnn_arch *network, bnn_dataset_options *chosen, bnn_error *err) {
    const bnn_dataset_info *info = bnn_dataset_find(data);
    const bnn_data_choice choice = {.words = words,
                                    .category = category,
                                    .test_genres = test_genres,
                                    .years = years,
                                    .view = bnn_view_for(network, info, (int)canvas),
                                    .vocab = vocab,
                                    .points = points,
                                    .length = length};
    return bnn_data_choose(info, &choice, chosen, err);
}

/* What the options make of the data set, whose files need not be there. */
static bnn_code plan_data(bnn_train_settings *s, bnn_arena *arena, bnn_error *err) {
    const bnn_dataset_info *info = bnn_dataset_find(data);
    bnn_dataset_options chosen;
    bnn_dataset *planned = NULL;
    bnn_code code = choose_data(s->spec.arch, &chosen, err);
    if (code == BNN_OK && image_size && strcmp(info->field[0].name, "image") != 0) {
        code = bnn_fail(err, BNN_ERR_ARGUMENT, "--image-size has no effect on --data %s", data);
    }
    if (code == BNN_OK && !(code = bnn_dataset_plan(info, &chosen, &planned, err)) &&
        !(code = bnn_arch_holds(s->spec.arch, planned, err))) {
        code = bnn_spec_of_dataset(&s->spec, planned, &chosen, arena, err);
    }
    if (image_size) {
        s->spec.height = s->spec.width = (int)image_size;
    }
    bnn_dataset_close(planned);
    return code;
}

/* From then on, if the counts go to standard output, the table does not. */
static bnn_code check_json(bnn_error *err) {
    bnn_outputs outputs = {0};
    bnn_outputs_read(&outputs, "--config", program.config);
    bnn_outputs_result(&outputs, "--json", &json_file);
    bnn_code code = bnn_outputs_check(&outputs, err);
    bnn_outputs_free(&outputs);
    return code;
}

static bnn_code print_plan(bnn_train_settings *s, bnn_error *err) {
    bnn_net net = {0}, deployed = {0};
    size_t bytes;
    bnn_params *params = bnn_params_create();
    bnn_arena *arena = bnn_arena_create();
    s->spec.distill = BNN_DISTILL_NONE; /* a teacher's part is its own network's */
    bnn_code code =
        params && arena ? plan_data(s, arena, err) : bnn_fail(err, BNN_ERR_MEMORY, "out of memory");
    if (code == BNN_OK && !(code = check_json(err)) &&
        !(code = bnn_train_plan(s, params, &net, &bytes, err)) &&
        !(code = bnn_net_build(&s->spec, &s->device, params, 1, 0, &deployed, err))) {
        note_options(s);
        bnn_plan_table_print(s, params, &deployed, bytes);
        if (json_file) {
            code = bnn_json_write(json_file, bnn_plan_json(s, data, &deployed, bytes), err);
        }
    }
    bnn_graph_free(net.graph);
    bnn_graph_free(deployed.graph);
    bnn_params_free(params);
    bnn_arena_free(arena);
    return code;
}

static void print_result(const bnn_train_settings *s, const bnn_train_result *r) {
    if (r->interrupted) {
        printf("interrupted; go on with: bnn-train --resume %s\n", bnn_shell_quote(s->output).s);
        return;
    }
    const bnn_metric *m = &s->spec.task->metrics[0];
    char best[80], value[BNN_METRIC_TEXT];
    snprintf(best, sizeof best, "%.40s %s", m->title,
             isnan(r->best) ? "undefined" : bnn_metric_text(m, r->best, value));
    bnn_interrupt_forget();
    if (r->was_finished) {
        bnn_error why = {0};
        int fixed = check_extension(s, epochs, &why) != BNN_OK;
        if (r->gave_up) {
            printf("%s is finished: no better epoch in %u, best test %s\n",
                   bnn_shell_show(s->output).s, (unsigned)s->patience, best);
            return;
        }
        printf("%s is finished: %d epochs, best test %s; ", bnn_shell_show(s->output).s,
               s->schedule.epochs, best);
        printf(fixed ? "to train on, start a new run: bnn-train --init-from %s/last.safetensors\n"
                     : "to train on: bnn-train --resume %s --epochs N\n",
               bnn_shell_quote(s->output).s);
        return;
    }
    if (r->gave_up) {
        printf("no better epoch in %u; ", (unsigned)s->patience);
    }
    printf("best test %s; ", best);
    if (r->timed_steps) {
        printf("%.4f s a step (%s); ", r->seconds_per_step, s->device.kernels->name);
    } else {
        printf("the run is complete; ");
    }
    char checkpoint[4200];
    snprintf(checkpoint, sizeof checkpoint, "%.4096s/%s.safetensors", s->output,
             isnan(r->best) ? "last" : "best");
    printf(access(checkpoint, F_OK) == 0 ? "%s\n" : "%s is gone, and no epoch since was better\n",
           bnn_shell_show(checkpoint).s);
}

/* Nothing that is read may be among the run's files. --config may: it has been read whole, and is
 * recorded there again. */
static bnn_code check_outputs(const bnn_train_settings *s, bnn_outputs *outputs, bnn_error *err) {
    for (size_t i = 0; *s->output && bnn_run_files[i]; i++) {
        bnn_outputs_own(outputs, "the run's", s->output, bnn_run_files[i]);
    }
    bnn_outputs_read(outputs, "--init-from", s->resume ? NULL : init_from);
    bnn_outputs_read(outputs, "--teacher", teacher);
    return bnn_outputs_check(outputs, err);
}

/* Both splits; what they are, the network learns. */
static bnn_code open_data(bnn_train_settings *s, const char *dir, bnn_arena *arena,
                          bnn_dataset **train_set, bnn_dataset **test_set, bnn_error *err) {
    const bnn_dataset_info *info = bnn_dataset_find(data);
    bnn_dataset_options chosen;
    bnn_code code = choose_data(s->spec.arch, &chosen, err);
    if (code != BNN_OK) {
        return code;
    }
    chosen.limit = (size_t)limit_train;
    code = bnn_dataset_open(info, dir, BNN_SPLIT_TRAIN, &chosen, train_set, err);
    chosen.limit = (size_t)limit_test;
    if (code == BNN_OK) {
        code = bnn_dataset_open(info, dir, BNN_SPLIT_TEST, &chosen, test_set, err);
    }
    if (code == BNN_OK) {
        code = bnn_arch_holds(s->spec.arch, *train_set, err);
    }
    return code == BNN_OK ? bnn_spec_of_dataset(&s->spec, *train_set, &chosen, arena, err) : code;
}

static bnn_code train(bnn_train_settings *s, bnn_error *err) {
    bnn_train_result result = {0};
    bnn_outputs outputs = {0};
    bnn_dataset *train_set = NULL, *test_set = NULL;
    const char *dir = data_dir;
    /* What is recorded holds wherever the run is repeated. */
    if (!resume || s->extended || accept_changed_data) {
        data_dir = bnn_recorded_path(data_dir, data_path);
        vocab = bnn_recorded_path(vocab, vocab_path);
    }
    if (!resume) {
        init_from = bnn_recorded_path(init_from, init_path);
        teacher = bnn_recorded_path(teacher, teacher_path);
        s->teacher = teacher;
    }
    char *args = bnn_options_to_json(&program, 2), *config = bnn_options_to_json(&program, 1);
    bnn_arena *arena = bnn_arena_create();
    bnn_code code =
        args && config && arena ? BNN_OK : bnn_fail(err, BNN_ERR_MEMORY, "out of memory");
    if (code == BNN_OK && !(code = check_outputs(s, &outputs, err)) &&
        !(code = open_data(s, dir, arena, &train_set, &test_set, err)) &&
        !(code = bnn_outputs_spare_data(&outputs, train_set, err)) &&
        !(code = bnn_outputs_spare_data(&outputs, test_set, err))) {
        note_options(s);
        note_limits(train_set->count, test_set->count);
        bnn_data_note(train_set, "training", program.name);
        bnn_data_note(test_set, "tests", program.name);
        bnn_run_data_of(train_set, test_set, &s->data);
        s->train = train_set;
        s->test = test_set;
        s->args = args;
        s->config = config;
    }
    code = bnn_comm_agree(&comm, code, err);
    code = code == BNN_OK ? bnn_train(s, &result, err) : code;
    bnn_outputs_free(&outputs);
    bnn_dataset_close(train_set);
    bnn_dataset_close(test_set);
    free(args);
    free(config);
    if (code == BNN_OK && profile && result.timed_steps) {
        bnn_profile_table_print(&result.profile, result.timed_steps, stdout);
    }
    if (code == BNN_OK) {
        print_result(s, &result);
    }
    bnn_arena_free(arena);
    return code;
}

/* The lock is held until the process ends. */
static bnn_code find_run(char checkpoint[4200], char folder[4096], int64_t *grown, bnn_error *err) {
    static bnn_lock lock;
    if (overwrite) {
        return bnn_fail(err, BNN_ERR_ARGUMENT,
                        "--resume goes on with a run, and --overwrite replaces it: leave one out");
    }
    bnn_code code = bnn_resume_find(resume, output, checkpoint, folder, err);
    if (code == BNN_OK && !dry_run && comm.rank == 0 && access(checkpoint, F_OK) == 0) {
        code = bnn_run_lock(&lock, folder, err);
    }
    return code == BNN_OK ? bnn_resume_options(&program, checkpoint, folder, grown, err) : code;
}

static bnn_code work_beside(bnn_error *err) {
    bnn_code code;
    char checkpoint[4200], folder[4096];
    bnn_train_settings settings = {0};
    int64_t grown = 0;
    if (list) {
        static const char *const only[] = {"list", NULL};
        bnn_options_note_others(&program, only, "these have no effect with --list");
        bnn_names_print(stdout);
        return BNN_OK;
    }
    if (resume) {
        init_from = bnn_recorded_path(init_from, init_path); /* to be compared with the run's */
        if ((code = find_run(checkpoint, folder, &grown, err)) != BNN_OK) {
            return code;
        }
        settings.resume = checkpoint;
        output = folder;
    }
    resolve(bnn_recipe_find(data, arch, algo));
    if (!output) {
        snprintf(folder, sizeof folder, "runs/%s-%s-%s", algo, arch, data);
        output = folder;
    }
    if ((code = settings_from_options(&settings, err)) != BNN_OK ||
        (grown && (code = check_extension(&settings, grown, err)) != BNN_OK)) {
        return code;
    }
    settings.extended = grown != 0;
    return dry_run ? print_plan(&settings, err) : train(&settings, err);
}

/* Whatever ends a rank, the others hear of it. */
static bnn_code work(bnn_error *err) {
    bnn_code code = bnn_ranks_open(&comm, err);
    if (code == BNN_OK) {
        code = bnn_comm_agree(&comm, work_beside(err), err);
    }
    bnn_ranks_close(&comm);
    return code;
}

int main(int argc, char **argv) {
    if (bnn_ranks_started_as() > 0) {
        bnn_be_quiet();
    }
    return bnn_start(&program, argc, argv, work);
}
