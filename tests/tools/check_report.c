/* What a report is read from (config.json, metrics.csv, steps.jsonl), and what it is written with:
 * escaping, and charts of any numbers. */
#include <check.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "tools/report/chart.h"
#include "tools/report/html.h"
#include "tools/run/run_folder.h"
#include "tools/run/run_record.h"

#define COLUMNS "epoch,lr,train_loss,train_top1,test_loss,test_top1,test_top5,best_top1"
#define HEADER COLUMNS "\n"

static bnn_arena *arena;
static bnn_error err;
static char *text; /* what was written last */

static void set_up(void) {
    arena = bnn_arena_create();
    err = (bnn_error){0};
    text = NULL;
}

static void tear_down(void) {
    bnn_arena_free(arena);
    free(text);
}

/* ---- config.json ---- */
static bnn_code parse_config(const char *json, bnn_run_config *out) {
    return bnn_run_config_parse("c.json", json, strlen(json), arena, out, &err);
}

START_TEST(configurations) {
    bnn_run_config c;
    ck_assert_int_eq(parse_config("{\"algo\":\"bnn\",\"arch\":\"a<b\",\"data\":\"d\",\"epochs\":5,"
                                  "\"seed\":0,\"lr\":0.5,\"data-dir\":\"/x\",\"new\":[1]}",
                                  &c),
                     BNN_OK);
    ck_assert_str_eq(c.arch, "a<b");
    ck_assert_str_eq(c.data_dir, "/x");
    ck_assert_int_eq(c.epochs, 5);
    ck_assert_int_eq(c.seed, 0);
    ck_assert_int_eq(c.batch_size, -1);
    ck_assert_double_eq(c.lr, 0.5);
    ck_assert_ptr_null(c.optimizer);
    /* What is of another type was not mentioned. */
    ck_assert_int_eq(
        parse_config("{\"algo\":\"bnn\",\"arch\":\"a\",\"data\":\"d\",\"epochs\":\"5\","
                     "\"seed\":-1,\"lr\":null,\"optimizer\":{}}",
                     &c),
        BNN_OK);
    ck_assert(c.epochs == -1 && c.seed == -1 && c.lr < 0 && !c.optimizer);
    static const char *const bad[] = {"",
                                      "{",
                                      "[]",
                                      "{}",
                                      "{\"algo\":\"bnn\",\"arch\":\"a\"}",
                                      "{\"algo\":\"bnn\",\"arch\":\"a\",\"data\":1}",
                                      "{\"algo\":\"x\",\"algo\":\"y\"}"};
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        ck_assert_int_eq(parse_config(bad[i], &c), BNN_ERR_FORMAT);
        ck_assert_ptr_nonnull(strstr(err.text, "c.json: "));
    }
}
END_TEST

/* ---- metrics.csv ---- */
static bnn_code parse_metrics(const char *csv, bnn_metrics *out) {
    return bnn_metrics_parse("m.csv", csv, strlen(csv), bnn_tasks[0], NULL, arena, out, &err);
}

START_TEST(metrics) {
    bnn_metrics m;
    ck_assert_int_eq(
        parse_metrics(HEADER "0,0.1,2.5,10,,,,\n3,1e-05,-2,20.5,1.5,40,80,40\n9,cut", &m), BNN_OK);
    ck_assert_uint_eq(m.count, 2);
    ck_assert_uint_eq(m.columns, 8);
    ck_assert_int_eq(bnn_metrics_column(&m, "test_top5"), 6);
    ck_assert_int_eq(bnn_metrics_column(&m, "test_top"), -1);
    ck_assert_double_eq(m.value[8], 3);
    ck_assert_double_eq(m.value[8 + 1], 1e-5);
    ck_assert_double_eq(m.value[8 + 2], -2);
    ck_assert_double_eq(m.value[8 + 7], 40);
    ck_assert(isnan(m.value[4]) && isnan(m.value[7]));
    const char other[] = "epoch,lr,train_loss,train_accuracy,test_loss,test_instance_miou,"
                         "test_class_miou,test_accuracy,best_instance_miou\n0,1,2,3,4,5,6,7,8\n";
    ck_assert_int_eq(parse_metrics(other, &m), BNN_ERR_FORMAT);
    ck_assert_int_eq(bnn_metrics_parse("m.csv", other, sizeof other - 1, bnn_task_find("segment"),
                                       NULL, arena, &m, &err),
                     BNN_OK);
    ck_assert(m.count == 1 && m.columns == 9 && m.value[8] == 8);
    static const char *const losses[] = {"confidence", "localization", NULL};
    const char terms[] = "epoch,lr,train_loss,train_loss_confidence,train_loss_localization,"
                         "test_loss,test_map,test_map_area,best_map\n0,1,2,3,4,5,6,7,8\n";
    ck_assert_int_eq(bnn_metrics_parse("m.csv", terms, sizeof terms - 1, bnn_task_find("detect"),
                                       losses, arena, &m, &err),
                     BNN_OK);
    ck_assert_int_eq(bnn_metrics_column(&m, "train_loss_localization"), 4);
    const char older[] = "epoch,lr,train_loss,test_loss,test_ap,test_ap50,test_ap75,test_ap_small,"
                         "test_ap_medium,test_ap_large,test_ar100,best_ap\n0,1,2,3,4,,,,,,,4\n";
    ck_assert_int_eq(bnn_metrics_parse("m.csv", older, sizeof older - 1,
                                       bnn_task_find("detect_coco"), NULL, arena, &m, &err),
                     BNN_OK);
    ck_assert(m.count == 1 && m.columns == 12 && bnn_metrics_column(&m, "best_ap") == 11);
    ck_assert_int_eq(parse_metrics(HEADER, &m), BNN_OK);
    ck_assert_uint_eq(m.count, 0);
}
END_TEST

START_TEST(damaged_metrics) {
    static const char *const rows[] = {"",
                                       "0,1,2,3,4,5,6",
                                       "0,1,2,3,4,5,6,7,8",
                                       "x,1,2,3,4,5,6,7",
                                       "0,1,2,3,4,5,6,7 ",
                                       "0,1,2,x,4,5,6,7",
                                       "0,1,2,nan,4,5,6,7",
                                       "0,1,2,inf,4,5,6,7",
                                       "0,1,2,0x1,4,5,6,7",
                                       "0,1,2, 3,4,5,6,7",
                                       "0,1,2,1e31,4,5,6,7",
                                       "0,1,2,1e999,4,5,6,7",
                                       "-1,1,2,3,4,5,6,7",
                                       "0.5,1,2,3,4,5,6,7",
                                       ",1,2,3,4,5,6,7",
                                       "1e10,1,2,3,4,5,6,7",
                                       "0,1,2,3,4,5,6,7\r"};
    bnn_metrics m;
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        char csv[400];
        snprintf(csv, sizeof csv, HEADER "%s\n", rows[i]);
        ck_assert_msg(parse_metrics(csv, &m) == BNN_ERR_FORMAT, "accepted: %s", rows[i]);
        ck_assert_ptr_nonnull(strstr(err.text, "m.csv: line 2 is damaged"));
    }
    ck_assert_int_eq(parse_metrics(HEADER "1,1,2,3,4,5,6,7\n1,1,2,3,4,5,6,7\n", &m),
                     BNN_ERR_FORMAT);
    ck_assert_ptr_nonnull(strstr(err.text, "line 3"));
    ck_assert_int_eq(parse_metrics("", &m), BNN_ERR_FORMAT);
    ck_assert_int_eq(parse_metrics(COLUMNS, &m), BNN_ERR_FORMAT);
    ck_assert_int_eq(bnn_metrics_parse("m.csv", NULL, 0, bnn_tasks[0], NULL, arena, &m, &err),
                     BNN_ERR_FORMAT);
    static char longest[2000];
    memset(longest, '1', sizeof longest - 1);
    memcpy(longest, HEADER, strlen(HEADER));
    longest[sizeof longest - 2] = '\n';
    ck_assert_int_eq(parse_metrics(longest, &m), BNN_ERR_FORMAT);
    static const char zero[] = HEADER "0,1,2,3,4,5,6,7\0\n";
    ck_assert_int_eq(
        bnn_metrics_parse("m", zero, sizeof zero - 1, bnn_tasks[0], NULL, arena, &m, &err),
        BNN_ERR_FORMAT);
}
END_TEST

/* ---- steps.jsonl ---- */
START_TEST(step_seconds) {
    bnn_step_seconds seconds;
    static const char odd[] = "{\"seconds\":3}\n{\"seconds\":0.5}\n{\"seconds\":1}\n{\"sec";
    static const char even[] = "{\"seconds\":3}\n{\"seconds\":1}\n";
    ck_assert_int_eq(bnn_step_seconds_parse("s", odd, strlen(odd), &seconds, &err), BNN_OK);
    ck_assert_double_eq(seconds.median, 1);
    ck_assert_double_eq(seconds.total, 4.5);
    ck_assert_int_eq(bnn_step_seconds_parse("s", even, strlen(even), &seconds, &err), BNN_OK);
    ck_assert_double_eq(seconds.median, 2);
    ck_assert_int_eq(bnn_step_seconds_parse("s", NULL, 0, &seconds, &err), BNN_OK);
    ck_assert(isnan(seconds.median) && isnan(seconds.total));
    static const char *const bad[] = {"\n",
                                      "{}\n",
                                      "{\"seconds\":-1}\n",
                                      "{\"seconds\":\"1\"}\n",
                                      "{\"seconds\":1}\n[\n",
                                      "{\"seconds\":1}x\n"};
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        ck_assert_int_eq(bnn_step_seconds_parse("s", bad[i], strlen(bad[i]), &seconds, &err),
                         BNN_ERR_FORMAT);
        ck_assert_ptr_nonnull(strstr(err.text, "is damaged: no seconds"));
    }
}
END_TEST

/* ---- writing ---- */
static const char *escaped(const char *from) {
    size_t bytes;
    free(text);
    FILE *out = open_memstream(&text, &bytes);
    bnn_html_text(out, from);
    fclose(out);
    return text;
}

START_TEST(escapes) {
    ck_assert_str_eq(escaped("<b>\"a\"&'c'"), "&lt;b&gt;&#34;a&#34;&amp;&#39;c&#39;");
    ck_assert_str_eq(escaped("\xe2\x82\xac \xf0\x9f\x98\x80\t\n"),
                     "\xe2\x82\xac \xf0\x9f\x98\x80\t\n");
    /* No text in XML: controls, U+FFFE, bad UTF-8. */
    ck_assert_str_eq(escaped("a\x01z"), "a\xef\xbf\xbdz");
    ck_assert_str_eq(escaped("\x1b[31m\r"), "\xef\xbf\xbd[31m\xef\xbf\xbd");
    ck_assert_str_eq(escaped("\xef\xbf\xbe|\xef\xbf\xbd"), "\xef\xbf\xbd|\xef\xbf\xbd");
    ck_assert_str_eq(escaped("\xff\xc3"), "\xef\xbf\xbd\xef\xbf\xbd");
    ck_assert_str_eq(escaped("\xed\xa0\x80"), "\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd");
}
END_TEST

static const char *chart_of(const double *x, const double *y, size_t n, size_t lines) {
    size_t bytes;
    bnn_chart_line line[20];
    free(text);
    FILE *out = open_memstream(&text, &bytes);
    for (size_t i = 0; i < lines; i++) {
        line[i] = (bnn_chart_line){"<n>", x, y, n, i};
    }
    bnn_chart_lines(out, "<t>", "<x>", "<d>", NULL, line, lines);
    fclose(out);
    return text;
}

static size_t count_of(const char *in, const char *what) {
    size_t n = 0;
    for (; (in = strstr(in, what)); in++) {
        n++;
    }
    return n;
}

/* Whatever the numbers: finite places, few ticks, all names. */
START_TEST(charts_of_any_numbers) {
    static const double x[] = {1, 2, 3, 1e9};
    static const double values[][4] = {
        {1, 2, 3, 4},        {5, 5, 5, 5},          {0, 0, 0, 0},
        {-1e29, 1e29, 0, 1}, {1e29, 1e29, 1e29, 1}, {1e-300, 0, 0, 0},
        {NAN, 1, NAN, 2},    {NAN, NAN, NAN, NAN},  {1e20, 1e20, 1e20, 1.00000000000001e20}};
    for (size_t i = 0; i < sizeof values / sizeof values[0]; i++) {
        for (size_t n = 0; n <= 4; n++) {
            const char *svg = chart_of(x, values[i], n, 2);
            ck_assert_msg(!strstr(svg, "nan") && !strstr(svg, "inf"), "%zu, %zu: %s", i, n, svg);
            ck_assert_uint_le(count_of(svg, "<text"), 30);
            ck_assert_uint_eq(count_of(svg, "<svg"), count_of(svg, "</svg>"));
            ck_assert_uint_eq(count_of(svg, "<n>") + count_of(svg, "<t>") + count_of(svg, "<x>"),
                              0);
        }
    }
    const char *svg = chart_of(x, values[0], 4, 20);
    ck_assert_uint_eq(count_of(svg, "&lt;n&gt;"), 20);
    /* Many names stay within the picture. */
    for (const char *at = svg; (at = strstr(at, "<text class=\"t\" x=\"")); at++) {
        double y = strtod(strstr(at, " y=\"") + 4, NULL);
        ck_assert_msg(y > 0 && y < 290, "a name at %g", y);
    }
}
END_TEST

/* Lines differ in dash and in mark, not only in colour. */
START_TEST(lines_differ_without_colour) {
    static const double x[] = {1, 2}, y[] = {1, 2};
    const char *svg = chart_of(x, y, 2, BNN_CHART_STYLES), *at = svg;
    char dash[BNN_CHART_STYLES][32], mark[BNN_CHART_STYLES][64];
    for (size_t i = 0; i < BNN_CHART_STYLES; i++) {
        at = strstr(at, "stroke-dasharray=\"");
        ck_assert_ptr_nonnull(at);
        at += strlen("stroke-dasharray=\"");
        snprintf(dash[i], sizeof dash[i], "%.*s", (int)strcspn(at, "\""), at);
        at = strstr(at, "class=\"m ");
        /* Filled or hollow, and the shape behind the first move. */
        const char *shape = strchr(strstr(at, " d=\"M") + 6, 'm');
        snprintf(mark[i], sizeof mark[i], "%d%.*s", strstr(at, "hollow") == strchr(at + 9, ' ') + 1,
                 (int)strcspn(shape, "\""), shape);
        for (size_t j = 0; j < i; j++) {
            ck_assert_str_ne(dash[i], dash[j]);
            ck_assert_str_ne(mark[i], mark[j]);
        }
    }
}
END_TEST

int main(void) {
    Suite *suite = suite_create("report");
    TCase *cases = tcase_create("report");
    tcase_add_checked_fixture(cases, set_up, tear_down);
    tcase_add_test(cases, configurations);
    tcase_add_test(cases, metrics);
    tcase_add_test(cases, damaged_metrics);
    tcase_add_test(cases, step_seconds);
    tcase_add_test(cases, escapes);
    tcase_add_test(cases, charts_of_any_numbers);
    tcase_add_test(cases, lines_differ_without_colour);
    suite_add_tcase(suite, cases);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_NORMAL);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
