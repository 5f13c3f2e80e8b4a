/* A teacher: a trained network that sees each batch before its student does. What it makes of the
 * batch are inputs of the student's loss; nothing of it is trained, kept in checkpoints or part of
 * the student's graph. */
#ifndef BNN_MODELS_TEACHER_H
#define BNN_MODELS_TEACHER_H

#include "models/files/loaded.h"

typedef struct bnn_teacher bnn_teacher;

/* Sees that a network with these parameters, which outlive the teacher, can teach `student` what
 * student->distill says: it has the same samples and classes, and for more than logits the same
 * width and heads, and a multiple of the layers. Free the teacher in any case. */
bnn_code bnn_teacher_create(const bnn_spec *spec, bnn_params *params, const bnn_spec *student,
                            const bnn_device *device, bnn_teacher **out, bnn_error *err);
/* The same of a checkpoint. */
bnn_code bnn_teacher_open(const char *path, const bnn_spec *student, const bnn_device *device,
                          bnn_teacher **out, bnn_error *err);
uint32_t bnn_teacher_checksum(const bnn_teacher *teacher); /* of the file that was opened */
void bnn_teacher_free(bnn_teacher *teacher);               /* NULL is fine */
/* Runs it on a batch and gives what it makes to the student's graph for so many samples, which the
 * batch's next forward reads: until the next call. */
bnn_code bnn_teacher_show(bnn_teacher *teacher, const bnn_batch *batch, const bnn_net *student,
                          bnn_error *err);

#endif
