/* Whether a PNG file is what was written: decoders look at few of its checksums, or none. */
#ifndef BNN_DATA_LOADERS_IMAGE_PNG_H
#define BNN_DATA_LOADERS_IMAGE_PNG_H

#include <stddef.h>

typedef enum bnn_png_state {
    BNN_PNG_WHOLE,
    BNN_PNG_CUT,     /* it ends before its end chunk */
    BNN_PNG_BESIDE,  /* a chunk is damaged that no pixel depends on */
    BNN_PNG_DAMAGED, /* one is that pixels depend on */
    BNN_PNG_NONE     /* no PNG file */
} bnn_png_state;

/* The worst of what is true of the file, from whole to damaged. */
bnn_png_state bnn_png_check(const unsigned char *bytes, size_t size);

#endif
