/* How a network is trained where the user does not say: BiBench's recipes, a row for each data set,
 * or for one architecture or kind of network on it. */
#ifndef BNN_TOOLS_TRAIN_RECIPES_H
#define BNN_TOOLS_TRAIN_RECIPES_H

typedef struct bnn_recipe {
    const char *data; /* NULL: any; with a * at its end: all that begin so */
    const char *arch; /* NULL: any */
    const char *algo; /* NULL: any of `networks` */
    enum { BNN_RECIPE_ANY, BNN_RECIPE_BINARY, BNN_RECIPE_FLOAT } networks;
    int epochs, batch_size;
    const char *optimizer;
    double lr, momentum, weight_decay;
    int nesterov;
    const char *scheduler, *milestones; /* of the scheduler step; NULL elsewhere */
    int warmup_epochs;
    double dropout;
} bnn_recipe;

/* The first row that fits; never NULL. */
const bnn_recipe *bnn_recipe_find(const char *data, const char *arch, const char *algo);

#endif
