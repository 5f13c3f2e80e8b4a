/* Fuzz target: a table of GLUE in memory; the first byte says of which data set, '0' of the first.
 * Texts of a table that is accepted are whole cells of it, and are UTF-8. */
#include <string.h>

#include "data_loaders/text/glue.h"
#include "engine/base/text.h"
#include "tests/fuzz/fuzz.h"

/* Between tabs or ends of the line. */
static void check_text(const uint8_t *data, size_t size, size_t at, size_t length) {
    bnn_insist(at <= size && length <= size - at);
    const char *text = (const char *)data + at;
    for (size_t i = 0; i < length;) {
        size_t n = bnn_utf8_length(text + i, length - i);
        bnn_insist(n > 0 && text[i] != '\t' && text[i] != '\n' && text[i] != '\0');
        i += n;
    }
    bnn_insist(at + length == size || strchr("\t\r\n", data[at + length]));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    bnn_error err = {0};
    bnn_glue_rows rows;
    if (size == 0) {
        return 0;
    }
    const bnn_glue_set *set = &bnn_glue_sets[(*data + 9 * BNN_GLUE_SETS - '0') % BNN_GLUE_SETS];
    data++, size--;
    bnn_code code = bnn_glue_parse("input", data, size, &set->layout, &rows, &err);
    if (!bnn_accepted(code, &err)) {
        bnn_insist(!rows.row);
        return 0;
    }
    bnn_insist(rows.count > 0 && (rows.cut == 0 || set->layout.lossy));
    for (size_t i = 0; i < rows.count; i++) {
        const bnn_glue_row *row = &rows.row[i];
        check_text(data, size, row->first, row->first_size);
        if (set->layout.second >= 0) {
            check_text(data, size, row->second, row->second_size);
        }
        bnn_insist(row->label >= 0 && row->label < set->info.classes);
        bnn_insist(row->score >= 0.0f && row->score <= (float)BNN_GLUE_SCORE_MOST);
    }
    bnn_glue_rows_free(&rows);
    return 0;
}
