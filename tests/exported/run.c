/* Runs an exported net.c on the samples of input.npy and compares with logits.npy, on any machine
 * with a C library; net.h is included on the command line. Prints of how many samples the logits
 * are equal, and the classes, and the largest difference beside the largest logit. With PIXELS
 * defined, each sample is given as bytes too, which are normalized to it with mean 64 and
 * deviation 32. */
#include <stdio.h>
#include <string.h>

#ifdef NET_CLASS_NAMES
static const char *const class_names[NET_CLASSES] = NET_CLASS_NAMES;
#endif
static const char description[] = NET_DESCRIPTION;
static float input[NET_INPUT], logits[NET_LOGITS], expected[NET_LOGITS];

/* Behind the header of a NumPy file of floats. */
static FILE *open_values(const char *path) {
    unsigned char head[10];
    FILE *file = fopen(path, "rb");
    if (!file || fread(head, 1, sizeof head, file) != sizeof head ||
        fseek(file, head[8] + 256L * head[9], SEEK_CUR) != 0) {
        printf("%s: cannot be read\n", path);
        return NULL;
    }
    return file;
}

static int largest(const float *row) {
    int best = 0;
    for (int i = 1; i < NET_CLASSES; i++) {
        best = row[i] > row[best] ? i : best;
    }
    return best;
}

static int same_classes(void) {
    int same = 1;
    for (int i = 0; i < NET_LOGITS; i += NET_CLASSES) {
        same &= largest(logits + i) == largest(expected + i);
    }
    return same;
}

static float size_of(float v) {
    return v < 0.0f ? -v : v;
}

/* What is no number differs, too. */
static float difference(void) {
    float most = 0.0f, size = 1.0f;
    for (int i = 0; i < NET_LOGITS; i++) {
        const float d = size_of(logits[i] - expected[i]);
        most = d > most || d != d ? d : most;
        size = size_of(expected[i]) > size ? size_of(expected[i]) : size;
    }
    return most / size;
}

#ifdef PIXELS
static float difference_of_pixels(void) {
    static uint8_t pixels[NET_INPUT];
    for (int i = 0; i < NET_INPUT; i++) {
        pixels[i] = (uint8_t)(32.0f * input[i] + 64.0f);
    }
    memset(logits, 0xff, sizeof logits);
    net_run_pixels(pixels, logits);
    return difference();
}
#else
static float difference_of_pixels(void) {
    return 0.0f;
}
#endif

int main(void) {
    FILE *x = open_values("input.npy"), *y = open_values("logits.npy");
    int samples = 0, equal = 0, classes = 0;
    float worst = 0.0f;
    while (x && y && fread(input, sizeof input, 1, x) == 1 &&
           fread(expected, sizeof expected, 1, y) == 1) {
        memset(logits, 0xff, sizeof logits); /* no numbers */
        net_run(input, logits);
        float d = difference();
        classes += same_classes();
        const float of_pixels = difference_of_pixels();
        d = of_pixels <= d ? d : of_pixels;
        samples++;
        equal += d == 0.0f;
        worst = d <= worst ? worst : d;
    }
#ifdef NET_CLASS_NAMES
    for (int i = 0; i < NET_CLASSES; i++) {
        printf("%s\n", class_names[i] ? class_names[i] : "");
    }
#endif
    printf("%s\n", description);
    printf("samples %d equal %d classes %d worst %g\n", samples, equal, classes, (double)worst);
    return samples == 0;
}
