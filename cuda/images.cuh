/* What is chosen among an image's boxes is a team's, whose part of a workspace (boxes_workspace)
 * holds its list: a few teams take turns at the images, since lists can be long. */
#ifndef BNN_CUDA_IMAGES_CUH
#define BNN_CUDA_IMAGES_CUH

#include "cuda/launch.cuh"

enum { IMAGE_TEAMS = 16, IMAGE_THREADS = 512 };

typedef team<IMAGE_THREADS> image_team;

BNN_BOTH size_t list_bytes(size_t items) {
    return (items * sizeof(bnn_item) + 63) / 64 * 64;
}

/* work(team, shared, image, list) of each image. */
template <class W> struct image_work {
    static constexpr int THREADS = IMAGE_THREADS;
    typedef typename W::shared shared;
    size_t n, teams, bytes;
    void *ws;
    W work;

    BNN_INSIDE void operator()(image_team t, shared &m, size_t item) const {
        bnn_item *list = (bnn_item *)(void *)((char *)ws + item * bytes);
        for (size_t image = item; image < n; image += teams) {
            work(t, m, image, list);
        }
    }
};

/* A list has room for so many items. */
template <class W>
static void each_image(const bnn_stream *stream, size_t n, size_t items, void *ws, W work) {
    size_t count = n < IMAGE_TEAMS ? n : (size_t)IMAGE_TEAMS;
    teams(stream, count, image_work<W>{n, count, list_bytes(items), ws, work});
}

struct gather_memory {
    size_t before[IMAGE_THREADS + 1];
};

/* put(k, i) for the k-th i < n of which test(i); how many there are. A thread has a run of them, so
 * that they stay in order. */
template <class T, class P>
BNN_GPU size_t gather(image_team t, gather_memory &m, size_t n, T test, P put) {
    const size_t run = (n + IMAGE_THREADS - 1) / IMAGE_THREADS;
    t.each([&](int thread) {
        size_t count = 0, first = (size_t)thread * run;
        for (size_t i = first; i < first + run && i < n; i++) {
            count += test(i) ? 1 : 0;
        }
        m.before[thread] = count;
    });
    t.each([&](int thread) {
        size_t sum = 0;
        for (int i = 0; thread == 0 && i <= IMAGE_THREADS; i++) {
            size_t own = i < IMAGE_THREADS ? m.before[i] : 0;
            m.before[i] = sum;
            sum += own;
        }
    });
    t.each([&](int thread) {
        size_t at = m.before[thread], first = (size_t)thread * run;
        for (size_t i = first; i < first + run && i < n; i++) {
            if (test(i)) {
                put(at++, i);
            }
        }
    });
    return m.before[IMAGE_THREADS];
}

/* Bitonic, each merge begun by a mirrored step: what the count lacks to a power of two would come
 * last, and stay there. */
BNN_GPU void sort_items(image_team t, bnn_item *item, size_t count) {
    for (size_t block = 2; block / 2 < count; block *= 2) {
        for (size_t apart = block / 2; apart > 0; apart /= 2) {
            t.each([&](int thread) {
                for (size_t pair = (size_t)thread;; pair += IMAGE_THREADS) {
                    size_t first = pair / apart * 2 * apart, at = pair % apart, a = first + at;
                    size_t b = apart == block / 2 ? first + 2 * apart - 1 - at : a + apart;
                    if (a >= count) {
                        break;
                    }
                    if (b < count && bnn_comes_first(item[b], item[a])) {
                        bnn_item moved = item[a];
                        item[a] = item[b];
                        item[b] = moved;
                    }
                }
            });
        }
    }
}

#endif
