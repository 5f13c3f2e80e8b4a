/* The logs of a run's folder as a resume cuts them, on arbitrary bytes as both metrics.csv and
 * steps.jsonl. What is kept is the beginning of what was there (of metrics.csv at least the
 * header), and is kept whole when it is cut again. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tests/fuzz/fuzz.h"
#include "tools/run/run_folder.h"

#define LIMIT 5 /* epochs and steps that the checkpoint has seen */
#define HEADER "epoch,lr,train_loss,train_top1,test_loss,test_top1,test_top5,best_top1\n"

typedef struct text {
    char *bytes;
    size_t size;
} text;

static text read_log(const char *name) {
    char path[96];
    text t = {NULL, 0};
    snprintf(path, sizeof path, "%s/%s", bnn_scratch_folder(), name);
    FILE *in = fopen(path, "rb");
    bnn_insist(in && fseek(in, 0, SEEK_END) == 0 && ftell(in) >= 0);
    size_t room = (size_t)ftell(in) + 1;
    rewind(in);
    t.bytes = malloc(room);
    bnn_insist(t.bytes != NULL);
    t.size = fread(t.bytes, 1, room, in);
    fclose(in);
    return t;
}

static int begins(const void *whole, size_t size, text part) {
    return part.size <= size && (part.size == 0 || memcmp(whole, part.bytes, part.size) == 0);
}

static void reopen(void) {
    bnn_error err = {0};
    bnn_run_folder run;
    bnn_insist(bnn_run_reopen(&run, bnn_scratch_folder(), bnn_task_find("classify"), NULL, LIMIT,
                              LIMIT, &err) == BNN_OK);
    bnn_run_close(&run);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    bnn_scratch_file("metrics.csv", data, size);
    bnn_scratch_file("steps.jsonl", data, size);
    reopen();
    text metrics = read_log("metrics.csv"), steps = read_log("steps.jsonl");
    bnn_insist(begins(data, size, metrics) || begins(HEADER, strlen(HEADER), metrics));
    bnn_insist(begins(metrics.bytes, metrics.size, (text){HEADER, strlen(HEADER)}));
    bnn_insist(begins(data, size, steps));
    bnn_insist(steps.size == 0 || steps.bytes[steps.size - 1] == '\n');
    reopen();
    text again = read_log("metrics.csv"), once_more = read_log("steps.jsonl");
    bnn_insist(again.size == metrics.size && begins(metrics.bytes, metrics.size, again));
    bnn_insist(once_more.size == steps.size && begins(steps.bytes, steps.size, once_more));
    free(metrics.bytes);
    free(steps.bytes);
    free(again.bytes);
    free(once_more.bytes);
    return 0;
}
