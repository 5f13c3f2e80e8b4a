/* The table of architectures. */
#include "models/nets/arch.h"

#include <string.h>

#include "models/tasks/tables.h"

static const bnn_arch resnet18 = {.name = "resnet18",
                                  .title = "ResNet-18 (He et al. 2016)",
                                  .inputs = {"image"},
                                  .task = &bnn_task_classify,
                                  .build = bnn_build_resnet,
                                  .blocks = {2, 2, 2, 2},
                                  .width = 64};
static const bnn_arch resnet34 = {.name = "resnet34",
                                  .title = "ResNet-34 (He et al. 2016)",
                                  .inputs = {"image"},
                                  .task = &bnn_task_classify,
                                  .build = bnn_build_resnet,
                                  .blocks = {3, 4, 6, 3},
                                  .width = 64};
static const bnn_arch resnet20 = {.name = "resnet20",
                                  .title = "ResNet-20 (He et al. 2016), 16-channel stem",
                                  .inputs = {"image"},
                                  .task = &bnn_task_classify,
                                  .build = bnn_build_resnet,
                                  .blocks = {3, 3, 3},
                                  .width = 16};
static const bnn_arch vgg_small = {.name = "vgg_small",
                                   .title = "VGG-Small (Zhang et al. 2018)",
                                   .inputs = {"image"},
                                   .task = &bnn_task_classify,
                                   .build = bnn_build_vgg_small,
                                   .width = 128};
static const bnn_arch pointnet = {.name = "pointnet",
                                  .title = "PointNet (Qi et al. 2017)",
                                  .inputs = {"points"},
                                  .task = &bnn_task_classify_shapes,
                                  .build = bnn_build_pointnet};
static const bnn_arch pointnet_vanilla = {.name = "pointnet_vanilla",
                                          .title = "PointNet without transforms",
                                          .inputs = {"points"},
                                          .task = &bnn_task_classify_shapes,
                                          .build = bnn_build_pointnet_vanilla};
static const bnn_arch pointnet_partseg = {.name = "pointnet_partseg",
                                          .title = "PointNet for part segmentation",
                                          .inputs = {"points"},
                                          .task = &bnn_task_segment,
                                          .build = bnn_build_pointnet_partseg};
static const bnn_arch fsmn = {.name = "fsmn",
                              .title = "FSMN (Zhang et al. 2015)",
                              .inputs = {"mel"},
                              .task = &bnn_task_keywords,
                              .build = bnn_build_fsmn};
static const bnn_arch deep_fsmn = {.name = "deep_fsmn",
                                   .title = "Deep-FSMN (Zhang et al. 2018)",
                                   .inputs = {"mel"},
                                   .task = &bnn_task_keywords,
                                   .build = bnn_build_deep_fsmn};

static const bnn_arch bert_tiny4 = {.name = "bert_tiny4",
                                    .title = "BERT of 4 layers of 312 (TinyBERT: Jiao et al. 2020)",
                                    .inputs = {"ids", "segment", "mask"},
                                    .input_dtype = BNN_I32,
                                    .task = &bnn_task_classify_text,
                                    .build = bnn_build_bert,
                                    .blocks = {4},
                                    .width = 312,
                                    .heads = 12,
                                    .feed_forward = 1200,
                                    .vocabulary = 30522,
                                    .positions = 512};
static const bnn_arch bert_tiny6 = {.name = "bert_tiny6",
                                    .title = "BERT of 6 layers of 768 (TinyBERT: Jiao et al. 2020)",
                                    .inputs = {"ids", "segment", "mask"},
                                    .input_dtype = BNN_I32,
                                    .task = &bnn_task_classify_text,
                                    .build = bnn_build_bert,
                                    .blocks = {6},
                                    .width = 768,
                                    .heads = 12,
                                    .feed_forward = 3072,
                                    .vocabulary = 30522,
                                    .positions = 512};
static const bnn_arch bert_base = {.name = "bert_base",
                                   .title = "BERT-base (Devlin et al. 2019)",
                                   .inputs = {"ids", "segment", "mask"},
                                   .input_dtype = BNN_I32,
                                   .task = &bnn_task_classify_text,
                                   .build = bnn_build_bert,
                                   .blocks = {12},
                                   .width = 768,
                                   .heads = 12,
                                   .feed_forward = 3072,
                                   .vocabulary = 30522,
                                   .positions = 512};
static const bnn_arch bert_mini6 = {.name = "bert_mini6",
                                    .title = "BERT of 6 layers of 384 (MiniLM: Wang et al. 2020)",
                                    .inputs = {"ids", "segment", "mask"},
                                    .input_dtype = BNN_I32,
                                    .task = &bnn_task_classify_text,
                                    .build = bnn_build_bert,
                                    .blocks = {6},
                                    .width = 384,
                                    .heads = 12,
                                    .feed_forward = 1536,
                                    .vocabulary = 30522,
                                    .positions = 512};

static const bnn_arch ssd300_vgg16 = {.name = "ssd300_vgg16",
                                      .title =
                                          "SSD300 on VGG-16 (Liu et al. 2016), with batch norms",
                                      .inputs = {"image"},
                                      .task = &bnn_task_detect,
                                      .build = bnn_build_ssd,
                                      .detections = 200,
                                      .losses = {"confidence", "localization"},
                                      .stem = {{"backbone.", ""}},
                                      .side = 300};
static const bnn_arch ssd300_vgg16_plain = {.name = "ssd300_vgg16_plain",
                                            .title = "SSD300 as it was published",
                                            .inputs = {"image"},
                                            .task = &bnn_task_detect,
                                            .build = bnn_build_ssd,
                                            .detections = 200,
                                            .losses = {"confidence", "localization"},
                                            .stem = {{"backbone.", ""}},
                                            .without_batch_norm = 1,
                                            .side = 300};
static const bnn_arch faster_rcnn_resnet18 = {
    .name = "faster_rcnn_resnet18",
    .title = "Faster R-CNN on ResNet-18 (Ren et al. 2015)",
    .inputs = {"image"},
    .task = &bnn_task_detect,
    .build = bnn_build_faster_rcnn,
    .blocks = {2, 2, 2, 2},
    .width = 64,
    .detections = 100,
    .losses = {"rpn_class", "rpn_box", "class", "box"},
    .stem = {{"backbone.", ""}, {"roi_head.shared_head.", ""}},
    .rpn_samples = 256,
    .roi_samples = 512,
    .proposals = {{12000, 2000}, {6000, 1000}}};

const bnn_arch *const bnn_archs[] = {
    &resnet18,   &resnet34,         &resnet20,           &vgg_small,
    &pointnet,   &pointnet_vanilla, &pointnet_partseg,   &fsmn,
    &deep_fsmn,  &bert_tiny4,       &bert_tiny6,         &bert_base,
    &bert_mini6, &ssd300_vgg16,     &ssd300_vgg16_plain, &faster_rcnn_resnet18,
    NULL};

const bnn_arch *bnn_arch_find(const char *name) {
    for (size_t i = 0; bnn_archs[i]; i++) {
        if (strcmp(bnn_archs[i]->name, name) == 0) {
            return bnn_archs[i];
        }
    }
    return NULL;
}

int bnn_arch_serves(const bnn_arch *arch, const bnn_task *task) {
    return task && task->by_point == arch->task->by_point && task->boxes == arch->task->boxes;
}
