#include "tools/train/train_state.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "models/files/packed.h"

/* Samples, loss, sums. Hexadecimal: exact. */
static const char *score_text(const bnn_score *score, bnn_arena *arena) {
    char *text = bnn_arena_format(arena, "%zu %a", score->samples, score->loss);
    for (size_t i = 0; text && i < score->count; i++) {
        text = bnn_arena_format(arena, "%s %a", text, score->sum[i]);
    }
    return text;
}

size_t bnn_train_state_meta(const bnn_train_state *s, const char *optimizer, const char *args,
                            bnn_arena *arena, bnn_meta meta[BNN_TRAIN_STATE_META]) {
    size_t n = 0;
    meta[n++] = (bnn_meta){"epoch", bnn_arena_format(arena, "%u", (unsigned)s->epoch)};
    meta[n++] = (bnn_meta){"step", bnn_arena_format(arena, "%zu", s->step)};
    meta[n++] = (bnn_meta){"steps", bnn_arena_format(arena, "%llu", (unsigned long long)s->steps)};
    meta[n++] = (bnn_meta){"score", score_text(&s->score, arena)};
    meta[n++] = (bnn_meta){"best", isnan(s->best) ? "" : bnn_arena_format(arena, "%a", s->best)};
    meta[n++] = (bnn_meta){"best_phase", bnn_arena_format(arena, "%d", s->best_phase)};
    meta[n++] = (bnn_meta){"waited", bnn_arena_format(arena, "%u", (unsigned)s->waited)};
    meta[n++] = (bnn_meta){"train_data", s->data.train};
    meta[n++] = (bnn_meta){"test_data", s->data.test};
    if (*s->data.teacher) {
        meta[n++] = (bnn_meta){"teacher", s->data.teacher};
    }
    if (s->ranks > 1) {
        meta[n++] = (bnn_meta){"ranks", bnn_arena_format(arena, "%u", (unsigned)s->ranks)};
    }
    meta[n++] = (bnn_meta){"optimizer", optimizer};
    meta[n++] = (bnn_meta){"args", args};
    return n;
}

static double number(const bnn_st_file *file, const char *key, int which) {
    const char *text = bnn_st_metadata(file, key);
    char *end = NULL;
    double value = NAN;
    for (int i = 0; text && i <= which; i++) {
        value = strtod(text, &end);
        if (end == text) {
            return NAN;
        }
        text = end;
    }
    return text && *text && which == 0 && *text != ' ' ? NAN : value;
}

/* A count of at most 2^53, or -1. */
static double count(const bnn_st_file *file, const char *key, int which) {
    double value = number(file, key, which);
    return value >= 0.0 && value <= 0x1p53 && floor(value) == value ? value : -1.0;
}

/* As versions before 0.2 wrote them, when every task was to classify images. */
static int read_old_score(const bnn_st_file *file, bnn_score *score) {
    double seen = count(file, "seen", 0), top1 = count(file, "seen", 1);
    score->loss = number(file, "loss_sum", 0);
    score->samples = seen >= 0 ? (size_t)seen : 0;
    for (size_t i = 0; i < score->count; i++) {
        score->sum[i] = i == 0 ? top1 : 0.0;
    }
    return seen >= 0 && top1 >= 0 && isfinite(score->loss);
}

static int read_score(const bnn_st_file *file, bnn_score *score) {
    if (!bnn_st_metadata(file, "score")) {
        return read_old_score(file, score);
    }
    double samples = count(file, "score", 0);
    int good = samples >= 0;
    score->samples = good ? (size_t)samples : 0;
    score->loss = number(file, "score", 1);
    for (size_t i = 0; i < score->count; i++) {
        score->sum[i] = number(file, "score", 2 + (int)i);
        good = good && isfinite(score->sum[i]);
    }
    return good && isfinite(score->loss);
}

/* "" is none. */
static int read_best(const bnn_st_file *file, double *best) {
    const char *text = bnn_st_metadata(file, "best");
    if (text && !*text) {
        *best = NAN;
        return 1;
    }
    *best = number(file, text ? "best" : "best_top1", 0);
    int good = isfinite(*best);
    *best = good && !text && *best < 0.0 ? NAN : *best;
    return good;
}

bnn_code bnn_train_state_read(const char *path, const bnn_st_file *file, bnn_train_state *s,
                              bnn_error *err) {
    bnn_model_kind kind = bnn_model_kind_of(file);
    if (kind == BNN_MODEL_PACKED) {
        return bnn_fail(err, BNN_ERR_FORMAT,
                        "%s: a packed model cannot be trained further; resume from a run's "
                        "last.safetensors",
                        path);
    }
    if (kind != BNN_MODEL_CHECKPOINT || !bnn_st_metadata(file, "args") ||
        !bnn_st_metadata(file, "optimizer")) {
        return bnn_fail(err, BNN_ERR_FORMAT,
                        "%s: not a checkpoint of bnn-train; to start from another network's "
                        "weights use --init-from",
                        path);
    }
    double epoch = count(file, "epoch", 0), step = count(file, "step", 0);
    double steps = count(file, "steps", 0), best_phase = count(file, "best_phase", 0);
    /* Older files do not have it, and nobody asked for it then. */
    double waited = bnn_st_metadata(file, "waited") ? count(file, "waited", 0) : 0.0;
    double ranks = bnn_st_metadata(file, "ranks") ? count(file, "ranks", 0) : 1.0;
    bnn_score score = s->score;
    double best = NAN;
    if (ranks < 1 || ranks > 1e9 || epoch < 0 || epoch > 1e9 || step < 0 || steps < 0 ||
        best_phase < 0 || best_phase > 100 || waited < 0 || waited > 1e9 ||
        !read_score(file, &score) || !read_best(file, &best)) {
        return bnn_fail(err, BNN_ERR_FORMAT, "%s: its training state is damaged", path);
    }
    *s = (bnn_train_state){.epoch = (uint32_t)epoch,
                           .step = (size_t)step,
                           .steps = (uint64_t)steps,
                           .score = score,
                           .best = best,
                           .best_phase = (int)best_phase,
                           .waited = (uint32_t)waited,
                           .ranks = (uint32_t)ranks};
    bnn_run_data_read(file, &s->data);
    return BNN_OK;
}
