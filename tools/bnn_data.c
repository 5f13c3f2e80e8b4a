/* bnn-data: data sets, fetched from where they are published, and put where the loaders look. */
#include <fnmatch.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#include "tools/cli/interrupt.h"
#include "tools/cli/start.h"
#include "tools/fetch/fetch.h"

enum { MOST_NAMES = 64 };

static const char *output = "data", *mirror, *table_file;
static int64_t tries = 5;
static const char *operands[MOST_NAMES + 1];
static bnn_source_list extra;

static bnn_option options[] = {
    {"output", BNN_OPTION_STRING, &output, "DIR", "The folder in which the sets' own folders lie.",
     .default_text = NULL},
    {"mirror", BNN_OPTION_STRING, &mirror, "URL",
     "With fetch: take URL/NAME/FILE instead of the official addresses; checksums stay.",
     .default_text = "the official addresses"},
    {"tries", BNN_OPTION_INT, &tries, "N",
     "With fetch: attempts in a row that bring nothing, before it gives up.", .min = 1,
     .max = 1000},
    {"table", BNN_OPTION_STRING, &table_file, "FILE", "Further sets, as JSON; see above.",
     .default_text = NULL},
};

static bnn_program program = {
    .name = "bnn-data",
    .summary = "list, fetch and check data sets",
    .usage = "list|fetch|check [NAME...] [options]",
    .description =
        "list prints the data sets that are known, with their sizes and terms; with NAMEs, all "
        "that is known of them: addresses, checksums, and how to get what no program may fetch. "
        "fetch downloads sets, compares them with the published checksums, unpacks them, and puts "
        "them into the folder in which their loader finds them; a set is there when it is whole, "
        "or not at all. Stop it at any moment: the same command goes on where it was. Proxies are "
        "those of the variables http_proxy, https_proxy and no_proxy. check reads what is there: "
        "files, sizes, checksums, and the number of samples. A NAME may be a pattern, as "
        "'glue_*'; list and check without one mean all, check those that are there.\n"
        "The terms of a set are between its authors and you.\n"
        "A table of one's own: {\"sets\": [{\"name\": \"ours\", \"folder\": \"ours\", \"text\": "
        "\"...\", \"terms\": \"...\", \"files\": [{\"url\": \"https://.../ours.tar.gz\", "
        "\"bytes\": 12345, \"sha256\": \"...\", \"inside\": \"ours\"}], \"parts\": [{\"path\": "
        "\"train\"}]}]}; \"inside\" is the folder of the archive that becomes the set's, \"\" all "
        "of it; without it the file is taken as it is.",
    .examples = "bnn-data list\n"
                "bnn-data fetch cifar10\n"
                "bnn-train --data cifar10 --data-dir data/cifar-10-batches-bin\n"
                "bnn-data fetch 'glue_*' --output /scratch/data\n"
                "bnn-data check",
    .options = options,
    .option_count = sizeof options / sizeof *options,
    .operands = operands,
    .min_operands = 1,
    .max_operands = MOST_NAMES + 1,
};

/* ---- the sets, the table's and a file's ---- */

static const bnn_source *source_at(size_t i) {
    return i < bnn_source_count ? &bnn_sources[i] : &extra.source[i - bnn_source_count];
}

static size_t source_count(void) {
    return bnn_source_count + extra.count;
}

static int is_named(const bnn_source *s) {
    int named = program.operand_count == 1;
    for (int i = 1; i < program.operand_count; i++) {
        named |= fnmatch(operands[i], s->name, 0) == 0;
    }
    return named;
}

/* A name that means nothing is an error, with the nearest. */
static bnn_code check_names(bnn_error *err) {
    const char *names[1200] = {0};
    const size_t count = source_count();
    for (size_t i = 0; i < count && i + 1 < sizeof names / sizeof *names; i++) {
        names[i] = source_at(i)->name;
    }
    for (int o = 1; o < program.operand_count; o++) {
        int found = 0;
        for (size_t i = 0; i < count; i++) {
            found |= fnmatch(operands[o], source_at(i)->name, 0) == 0;
        }
        if (!found) {
            const char *near = bnn_nearest_name(operands[o], names);
            return bnn_fail(err, BNN_ERR_ARGUMENT,
                            "there is no data set '%s'%s%s%s; see bnn-data "
                            "list",
                            operands[o], near ? " (did you mean " : "", near ? near : "",
                            near ? "?)" : "");
        }
    }
    return BNN_OK;
}

/* ---- list ---- */

static void print_row(const bnn_source *s) {
    char bytes[32], unpacked[32];
    const uint64_t total = bnn_source_bytes(s);
    printf("%-21s %-8s %-8s %-5s %s (%s)\n", s->name,
           s->by_hand ? "by hand" : bnn_size_text(total, bytes),
           bnn_size_text(s->unpacked ? s->unpacked : total, unpacked),
           bnn_source_is_there(s, output) ? "yes" : "-", s->text, s->terms);
}

static void print_files(const bnn_source *s) {
    for (size_t i = 0; i < s->files; i++) {
        const bnn_source_file *f = &s->file[i];
        printf("  file      %s\n", f->url);
        if (f->bytes) {
            printf("  bytes     %llu\n", (unsigned long long)f->bytes);
        }
        if (f->md5) {
            printf("  MD5       %s\n", f->md5);
        }
        if (f->sha256) {
            printf("  SHA-256   %s\n", f->sha256);
        }
        if (!f->md5 && !f->sha256) {
            printf("  checksum  none published; its structure is checked\n");
        }
    }
}

static void print_all_of(const bnn_source *s) {
    char use[4400], bytes[32];
    bnn_source_use(s, output, use, sizeof use);
    printf("%s: %s\n  terms     %s\n  page      %s\n", s->name, s->text, s->terms, s->page);
    print_files(s);
    if (s->unpacked) {
        printf("  on disk   about %s\n", bnn_size_text(s->unpacked, bytes));
    }
    if (s->by_hand) {
        printf("  by hand   %s\n", s->by_hand);
    }
    printf("  use       %s\n", use);
}

static bnn_code list(bnn_error *err) {
    (void)err;
    const int in_short = program.operand_count == 1;
    if (in_short) {
        printf("%-21s %-8s %-8s %-5s %s\n", "NAME", "DOWNLOAD", "ON DISK", "HERE", "WHAT (TERMS)");
    }
    for (size_t i = 0; i < source_count(); i++) {
        if (in_short) {
            print_row(source_at(i));
        } else if (is_named(source_at(i))) {
            print_all_of(source_at(i));
        }
    }
    return BNN_OK;
}

/* ---- fetch, check ---- */

static bnn_code fetch(bnn_error *err) {
    const bnn_fetching how = {output, mirror, (int)tries};
    bnn_code code = BNN_OK;
    if (program.operand_count == 1) {
        return bnn_fail(err, BNN_ERR_ARGUMENT,
                        "fetch which data set? bnn-data list shows them; bnn-data fetch NAME...");
    }
    for (size_t i = 0; i < source_count() && code == BNN_OK && !bnn_interrupted(); i++) {
        if (is_named(source_at(i))) {
            code = bnn_fetch_source(source_at(i), &how, err);
        }
    }
    return code;
}

/* All of them, even if one is wrong; the first error is the program's. */
static bnn_code check(bnn_error *err) {
    const int all = program.operand_count == 1;
    size_t looked = 0;
    bnn_code code = BNN_OK;
    for (size_t i = 0; i < source_count() && !bnn_interrupted(); i++) {
        const bnn_source *s = source_at(i);
        bnn_error why = {0};
        if (all ? !bnn_source_is_there(s, output) : !is_named(s)) {
            continue;
        }
        looked++;
        const bnn_code this = bnn_check_source(s, output, &why);
        if (this != BNN_OK && code != BNN_OK) {
            printf("%s\n", why.text);
        } else if (this != BNN_OK) {
            code = bnn_fail(err, this, "%s", why.text);
        }
    }
    if (looked == 0) {
        return bnn_fail(err, BNN_ERR_IO,
                        "%s: none of the data sets lies there; name the folder by "
                        "--output",
                        output);
    }
    return code;
}

typedef struct command {
    const char *name;
    bnn_code (*run)(bnn_error *);
} command;

static const command commands[] = {{"list", list}, {"fetch", fetch}, {"check", check}};

enum { COMMANDS = sizeof commands / sizeof *commands };

static bnn_code work(bnn_error *err) {
    const command *c = bnn_command_find(operands[0], commands, sizeof *commands, COMMANDS, err);
    bnn_code code = c ? BNN_OK : BNN_ERR_ARGUMENT;
    if (code == BNN_OK && table_file) {
        code = bnn_sources_read(table_file, &extra, err);
    }
    code = code == BNN_OK ? check_names(err) : code;
    code = code == BNN_OK ? c->run(err) : code;
    bnn_sources_free(&extra);
    return code;
}

int main(int argc, char **argv) {
    static const char *names[100];
    for (size_t i = 0; i < bnn_source_count && i + 1 < sizeof names / sizeof *names; i++) {
        names[i] = bnn_sources[i].name;
    }
    program.operand_names = names;
    program.commands = commands;
    program.command_size = sizeof *commands;
    program.command_count = COMMANDS;
    return bnn_start(&program, argc, argv, work);
}
