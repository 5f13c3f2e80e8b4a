/* What kernels of boxes share (cpu/detect/detect.h): a team has an image at a time, and a part of
 * the workspace. */
#ifndef BNN_CUDA_BOXES_CUH
#define BNN_CUDA_BOXES_CUH

#include "cuda/launch.cuh"

enum { BOX_TEAMS = 16, BOX_THREADS = 256 };

/* What is put in order: the largest score first, of equals the smallest number. */
struct box_item {
    double score;
    int32_t index;
};

/* What has been kept. */
struct box_kept {
    float box[4];
    int32_t class_;
};

BNN_BOTH size_t box_scratch_bytes(size_t items, size_t keep) {
    return (items * sizeof(box_item) + keep * sizeof(box_kept) + 63) / 64 * 64;
}

BNN_GPU box_item *box_items(void *ws, size_t items, size_t keep, size_t team) {
    return (box_item *)(void *)((char *)ws + team * box_scratch_bytes(items, keep));
}

/* Intersection over union; 0 / 0 is 0. In double, since thresholds decide. */
BNN_GPU double overlap_of(const float *a, const float *b) {
    double left = (double)(a[0] > b[0] ? a[0] : b[0]), right = (double)(a[2] < b[2] ? a[2] : b[2]);
    double top = (double)(a[1] > b[1] ? a[1] : b[1]), end = (double)(a[3] < b[3] ? a[3] : b[3]);
    double both = right > left && end > top ? (right - left) * (end - top) : 0.0;
    double of_a = ((double)a[2] - (double)a[0]) * ((double)a[3] - (double)a[1]);
    double of_b = ((double)b[2] - (double)b[0]) * ((double)b[3] - (double)b[1]);
    return both > 0.0 ? both / (of_a + of_b - both) : 0.0;
}

/* Box `index` of an image, or NULL where there is none. */
BNN_GPU const float *box_at(const bnn_boxes &boxes, size_t image, size_t index) {
    size_t columns = (size_t)boxes.columns;
    const float *at = boxes.at + ((boxes.shared ? 0 : image * boxes.count) + index) * columns;
    return columns == 4 ? at : at[0] >= 0.0f ? at + 1 : NULL;
}

/* The truths of an image. */
BNN_GPU bnn_sought sought_of(const bnn_sought &truth, size_t image) {
    size_t first = image * truth.count;
    bnn_sought s = {truth.box + 4 * first, truth.class_ + first,
                    truth.ignore == NULL ? NULL : truth.ignore + first, truth.count};
    return s;
}

/* Whether there is a truth of this number, and it is to be learned. */
BNN_GPU int is_truth(const bnn_sought &of_image, size_t index) {
    return of_image.class_[index] >= 0 && (of_image.ignore == NULL || of_image.ignore[index] == 0);
}

/* ---- lists ---- */

struct list_memory {
    size_t first[BOX_THREADS], count;
};

/* Calls write(place, i) for all i < n that `is`, with places in the order of i; how many. */
template <class P, class W>
BNN_GPU size_t list_of(team<BOX_THREADS> t, list_memory &m, size_t n, P is, W write) {
    t.each([&](int thread) {
        size_t k = (size_t)thread, count = 0;
        for (size_t i = n * k / BOX_THREADS; i < n * (k + 1) / BOX_THREADS; i++) {
            count += is(i) ? 1 : 0;
        }
        m.first[thread] = count;
    });
    t.each([&](int thread) {
        size_t sum = 0;
        for (size_t k = 0; thread == 0 && k < BOX_THREADS; k++) {
            size_t count = m.first[k];
            m.first[k] = sum;
            sum += count;
        }
        if (thread == 0) {
            m.count = sum;
        }
    });
    t.each([&](int thread) {
        size_t k = (size_t)thread, place = m.first[thread];
        for (size_t i = n * k / BOX_THREADS; i < n * (k + 1) / BOX_THREADS; i++) {
            if (is(i)) {
                write(place++, i);
            }
        }
    });
    return m.count;
}

/* Does a come before b? Numbers differ, so of two one does. */
BNN_GPU int comes_first(const box_item &a, const box_item &b) {
    return a.score > b.score || (a.score == b.score && a.index < b.index);
}

BNN_GPU void put_in_order(box_item *item, size_t a, size_t b, size_t count) {
    if (b < count && comes_first(item[b], item[a])) {
        box_item swap = item[a];
        item[a] = item[b];
        item[b] = swap;
    }
}

/* A bitonic network (Batcher 1968) whose comparisons all go one way, so that what is not there may
 * be thought of as coming last. */
BNN_GPU void sort_items(team<BOX_THREADS> t, box_item *item, size_t count) {
    for (size_t size = 2; size < 2 * count; size *= 2) {
        size_t half = size / 2, pairs = (count + size - 1) / size * half;
        t.each([&](int thread) {
            for (size_t i = (size_t)thread; i < pairs; i += BOX_THREADS) {
                size_t first = i / half * size;
                put_in_order(item, first + i % half, first + size - 1 - i % half, count);
            }
        });
        for (size_t step = half / 2; step > 0; step /= 2) {
            t.each([&](int thread) {
                for (size_t i = (size_t)thread; i < pairs; i += BOX_THREADS) {
                    size_t a = i / step * 2 * step + i % step;
                    put_in_order(item, a, a + step, count);
                }
            });
        }
    }
}

#endif
