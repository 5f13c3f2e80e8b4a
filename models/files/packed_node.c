/* A node as a file describes it, into a graph. Nothing in the file is believed: an input has one of
 * the types that its op knows, a field is a number that fits, and an op's infer refuses what it
 * cannot compute. */
#include <float.h>
#include <math.h>
#include <stdarg.h>
#include <string.h>

#include "engine/base/text.h"
#include "layers/ops.h"
#include "models/files/packed_private.h"

bnn_code bnn_packed_damaged(const bnn_packed_reader *r, const char *format, ...) {
    char what[300];
    va_list args;
    va_start(args, format);
    bnn_text_print(what, sizeof what, format, args);
    va_end(args);
    return bnn_fail(r->err, BNN_ERR_FORMAT, "%s: metadata '%s': %s; the file is damaged", r->path,
                    BNN_PACKED_NETWORK, what);
}

bnn_code bnn_packed_refused(const bnn_packed_reader *r, const char *what, size_t index) {
    bnn_code code = bnn_graph_status(r->network->graph, r->err);
    return code == BNN_OK ? code
                          : bnn_fail_in(r->err, code, "%s: metadata '%s': %s %zu", r->path,
                                        BNN_PACKED_NETWORK, what, index);
}

bnn_code bnn_packed_no_memory(const bnn_packed_reader *r) {
    return bnn_fail(r->err, BNN_ERR_MEMORY, "%s: out of memory for the network", r->path);
}

bnn_code bnn_packed_start(const bnn_packed_reader *r, const bnn_device *device, size_t inputs,
                          size_t outputs) {
    if (!inputs || !outputs || inputs > BNN_MAX_DIM || outputs > BNN_MAX_DIM) {
        return bnn_packed_damaged(r, "it has no inputs, or no outputs");
    }
    bnn_code code = bnn_inference_start(r->network, device, (int)inputs, (int)outputs, r->err);
    if (code != BNN_OK) {
        return bnn_fail_in(r->err, code, "%s", r->path);
    }
    r->network->input_count = (int)inputs;
    r->network->output_count = (int)outputs;
    return BNN_OK;
}

bnn_code bnn_packed_add_input(const bnn_packed_reader *r, int index, const char *name,
                              bnn_dtype dtype, bnn_shape shape) {
    if ((int64_t)shape.n * r->batch > BNN_MAX_DIM) {
        return bnn_packed_damaged(r, "input %d is too large for %d images", index, r->batch);
    }
    shape.n *= r->batch;
    r->network->inputs[index] = bnn_graph_input(r->network->graph, name, dtype, shape);
    return bnn_packed_refused(r, "input", (size_t)index);
}

bnn_code bnn_packed_find_op(const bnn_packed_reader *r, size_t index, const char *name,
                            const bnn_op **op, char **attr) {
    *op = bnn_op_find(name);
    if (!*op || !(*op)->form) {
        return bnn_packed_damaged(r, "node %zu: no op of inference is called '%.64s'", index, name);
    }
    *attr = bnn_arena_alloc(r->network->arena, (*op)->form->attr_bytes);
    return *attr ? BNN_OK : bnn_packed_no_memory(r);
}

bnn_code bnn_packed_check_operand(const bnn_packed_reader *r, size_t index, const bnn_form *form,
                                  int k, bnn_t t, int left_out, const char *name) {
    if (left_out ? !(form->optional >> k & 1) : t < 0) {
        return bnn_packed_damaged(r, "node %zu: its input %d, '%.64s', is missing", index, k, name);
    }
    if (!left_out && !(form->in_types[k] >> bnn_dtype_of(r->network->graph, t) & 1)) {
        return bnn_packed_damaged(r, "node %zu: its input %d is of a type it does not take", index,
                                  k);
    }
    return BNN_OK;
}

int bnn_packed_set_float(const bnn_op_field *field, const char *text, char *attr) {
    char *end = NULL;
    double number = bnn_text_to_double(text, &end);
    int ok = end != text && !*end && (isinf(number) || fabs(number) <= (double)FLT_MAX);
    float narrow = ok ? (float)number : 0.0f;
    memcpy(attr + field->offset, &narrow, sizeof narrow);
    return ok;
}

int bnn_packed_set_whole(const bnn_packed_reader *r, const bnn_op_field *field, int64_t number,
                         char *attr) {
    int64_t least = field->type == BNN_FIELD_SIZE ? 0 : -BNN_MAX_DIM, most = BNN_MAX_DIM;
    int ok = number >= least && number <= most;
    number *= ok && field->by_batch ? r->batch : 1;
    ok = ok && number >= least && number <= most;
    int narrow = ok ? (int)number : 0;
    size_t size = ok ? (size_t)number : 0;
    if (field->type == BNN_FIELD_SIZE) {
        memcpy(attr + field->offset, &size, sizeof size);
    } else {
        memcpy(attr + field->offset, &narrow, sizeof narrow);
    }
    return ok;
}

void bnn_packed_set_default(const bnn_packed_reader *r, const bnn_op_field *field, char *attr) {
    if (field->type == BNN_FIELD_FLOAT) {
        memcpy(attr + field->offset, &field->otherwise, sizeof field->otherwise);
    } else {
        bnn_packed_set_whole(r, field, (int64_t)field->otherwise, attr);
    }
}

bnn_code bnn_packed_add_node(const bnn_packed_reader *r, size_t index, const bnn_op *op,
                             const char *attr, int count, const bnn_t *in) {
    bnn_graph_add(r->network->graph, op, attr, op->form->attr_bytes, count, in);
    return bnn_packed_refused(r, "node", index);
}
