/* Lists and texts whose length is not known before all of them have been read. */
#include <stdlib.h>
#include <string.h>

#include "data_loaders/internal.h"

void *bnn_list_grown(void *list, size_t count, size_t *room, size_t bytes) {
    if (count < *room) {
        return list;
    }
    const size_t larger = *room ? 2 * *room : 256;
    void *all = reallocarray(list, larger, bytes);
    *room = all ? larger : *room;
    return all;
}

int bnn_texts_add(bnn_texts *t, const char *text, size_t length) {
    if (t->room - t->bytes <= length) {
        const size_t room = 2 * t->room + length + 4096;
        char *all = realloc(t->at, room);
        if (!all) {
            return 0;
        }
        t->at = all;
        t->room = room;
    }
    memcpy(t->at + t->bytes, text, length);
    t->at[t->bytes + length] = '\0';
    t->bytes += length + 1;
    return 1;
}
