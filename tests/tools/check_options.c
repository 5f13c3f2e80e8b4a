/* The command line and its help: what is accepted, what every refusal says, and that no option is
 * missing from --help and the man page. */
#include "tests/fixtures/options_fixture.h"

/* ---- the command line ---- */

START_TEST(accepts_every_form) {
    reset();
    check_run("--algo xnor --batch-size=64 --lr 1e-2 --augment --data=a=b --seed -5");
    ck_assert_str_eq(algo, "xnor");
    ck_assert_int_eq(batch_size, 64);
    ck_assert_double_eq(lr, 0.01);
    ck_assert(augment);
    ck_assert_str_eq(data, "a=b");
    ck_assert_int_eq(seed, -5);
    ck_assert_int_eq(option_named("lr")->given, 1);
    ck_assert_int_eq(option_named("out")->given, 0);
    check_run("--lr 1e0 --lr 2 --shift -1e300 --out -");
    ck_assert_double_eq(lr, 2);
    ck_assert_double_eq(shift, -1e300);
    ck_assert_str_eq(out, "-");
    check_run("--seed 9223372036854775807 --data _ --out=");
    ck_assert_int_eq(seed, INT64_MAX);
    ck_assert_str_eq(data, "");
    ck_assert_str_eq(out, "");
    ck_assert_int_eq(option_named("lr")->given, 0);
}
END_TEST

START_TEST(letters) {
    reset();
    option_named("batch-size")->letter = 'b';
    option_named("augment")->letter = 'a';
    check_run("-b 7 -a");
    ck_assert_int_eq(batch_size, 7);
    ck_assert(augment);
    ck_assert_int_eq(option_named("batch-size")->given, 1);
    check_run("-b64");
    ck_assert_int_eq(batch_size, 64);
    check_refusal("-b", "--batch-size: its value (N) is missing; see bnn-train --help");
    check_refusal("-b --lr", "--batch-size: its value (N) is missing; see bnn-train --help");
    check_refusal("-ab", "-a takes no value");
    check_refusal("-c 3", "unknown option -c (options start with --); see bnn-train --help");
    ck_assert_int_eq(parse("--help"), BNN_PARSE_DONE);
    ck_assert_ptr_nonnull(strstr(printed, "\n  -b, --batch-size N"));
    ck_assert_int_eq(parse("--man"), BNN_PARSE_DONE);
    ck_assert_ptr_nonnull(strstr(printed, "\\fB\\-b\\fR, \\fB\\-\\-batch\\-size\\fR"));
    option_named("batch-size")->letter = option_named("augment")->letter = 0;
}
END_TEST

START_TEST(optional_values) {
    reset();
    check_run("--resume");
    ck_assert_str_eq(resume, "");
    check_run("--resume runs/a");
    ck_assert_str_eq(resume, "runs/a");
    check_run("--resume --lr 3");
    ck_assert_str_eq(resume, "");
    ck_assert_double_eq(lr, 3);
    check_run("--resume=-x");
    ck_assert_str_eq(resume, "-x");
}
END_TEST

START_TEST(operands_are_counted) {
    reset();
    check_refusal("reactnet", "unexpected word reactnet (options start with --); see "
                              "bnn-train --help");
    check_refusal("algo=xnor", "unexpected word algo=xnor (did you mean --algo?); see "
                               "bnn-train --help");
    program.min_operands = 1;
    program.max_operands = 2;
    program.usage = "MODEL IMAGE... [options]";
    check_refusal("--lr 1", "MODEL is missing; see bnn-train --help");
    check_refusal("--", "MODEL is missing; see bnn-train --help");
    ck_assert_int_eq(parse("--lr 1 --check-options"), BNN_PARSE_DONE);
    check_refusal("--check-options --wobble", "unknown option --wobble; see bnn-train --help");
    check_run("a --lr 1 -- --algo");
    ck_assert_int_eq(program.operand_count, 2);
    ck_assert_str_eq(operands[0], "a");
    ck_assert_str_eq(operands[1], "--algo");
    check_run("-");
    ck_assert_str_eq(operands[0], "-");
    check_refusal("a b c --lr 1", "too many arguments, at c; see bnn-train --help");
    program.min_operands = 2;
    check_refusal("a", "IMAGE is missing; see bnn-train --help");
    program.usage = "[options]";
    check_refusal("a", "an argument is missing; see bnn-train --help");
}
END_TEST

START_TEST(refuses_unknown_options) {
    reset();
    check_refusal("--algoo xnor",
                  "unknown option --algoo (did you mean --algo?); see bnn-train --help");
    check_refusal("--agumnet",
                  "unknown option --agumnet (did you mean --augment?); see bnn-train --help");
    check_refusal("--batch_size=3",
                  "unknown option --batch_size=3 (did you mean --batch-size?); see "
                  "bnn-train --help");
    check_refusal("--batch 3",
                  "unknown option --batch (did you mean --batch-size?); see bnn-train --help");
    check_refusal("-algo xnor",
                  "unknown option -algo (did you mean --algo?); see bnn-train --help");
    check_refusal("-5", "unknown option -5 (options start with --); see bnn-train --help");
    check_refusal("--wobble", "unknown option --wobble; see bnn-train --help");
    check_refusal("--hlep", "unknown option --hlep (did you mean --help?); see bnn-train --help");
    check_refusal("--=3", "unknown option --=3; see bnn-train --help");
    check_refusal("--conifg x",
                  "unknown option --conifg (did you mean --config?); see bnn-train --help");
    check_refusal("--bad\n\033[1mname", "unknown option --bad??[1mname; see bnn-train --help");
    char line[400] = "--", name[300];
    memset(name, 'x', sizeof name);
    name[sizeof name - 1] = '\0';
    strcat(line, name);
    ck_assert_int_eq(parse(line), BNN_PARSE_ERROR);
    ck_assert_ptr_nonnull(strstr(refused, "; see bnn-train --help\n"));
}
END_TEST

START_TEST(refuses_bad_values) {
    reset();
    check_refusal("--batch-size -5", "--batch-size -5: must be between 1 and 65536");
    check_refusal("--batch-size 65537", "--batch-size 65537: must be between 1 and 65536");
    check_refusal("--batch-size 1e3",
                  "--batch-size 1e3: must be a whole number between 1 and 65536");
    check_refusal("--batch-size 0x10",
                  "--batch-size 0x10: must be a whole number between 1 and 65536");
    check_refusal("--batch-size 7\t",
                  "--batch-size 7?: must be a whole number between 1 and 65536");
    check_refusal("--batch-size \t7",
                  "--batch-size ?7: must be a whole number between 1 and 65536");
    check_refusal("--batch-size=", "--batch-size \"\": must be a whole number between 1 and 65536");
    check_refusal("--batch-size 99999999999999999999",
                  "--batch-size 99999999999999999999: must be between 1 and 65536");
    check_refusal("--seed 9223372036854775808",
                  "--seed 9223372036854775808: must be a whole number of 64 bits");
    check_refusal("--lr nan", "--lr nan: must be a finite number between 0 and 10");
    check_refusal("--lr inf", "--lr inf: must be a finite number between 0 and 10");
    check_refusal("--lr 1e999", "--lr 1e999: must be a finite number between 0 and 10");
    check_refusal("--lr 10.5", "--lr 10.5: must be between 0 and 10");
    check_refusal("--lr abc", "--lr abc: must be a number between 0 and 10");
    check_refusal("--lr 0x1", "--lr 0x1: must be a number between 0 and 10");
    check_refusal("--lr 1,5", "--lr 1,5: must be a number between 0 and 10");
    check_refusal("--lr _", "--lr \"\": must be a number between 0 and 10");
    check_refusal("--shift inf", "--shift inf: must be a finite number");
    check_refusal("--a-rather-long-name-for-weight-decay -1",
                  "--a-rather-long-name-for-weight-decay -1: must be at least 0");
    check_refusal("--algo reactnt", "--algo reactnt: unknown; did you mean reactnet? (choices: "
                                    "bnn, xnor, bireal, reactnet, ir-net)");
    check_refusal("--algo zzzzzz",
                  "--algo zzzzzz: unknown (choices: bnn, xnor, bireal, reactnet, ir-net)");
    check_refusal("--algo=", "--algo \"\": unknown (choices: bnn, xnor, bireal, reactnet, ir-net)");
    check_refusal("--augment=1", "--augment takes no value");
    check_refusal("--help=1", "--help takes no value");
    check_refusal("--lr", "--lr: its value (X) is missing; see bnn-train --help");
    check_refusal("--lr --augment", "--lr: its value (X) is missing; see bnn-train --help");
    check_refusal("--out", "--out: its value (VALUE) is missing; see bnn-train --help");
    check_refusal("--config", "--config: its value (FILE) is missing; see bnn-train --help");
    check_refusal("--algo \xff",
                  "--algo \xff: unknown (choices: bnn, xnor, bireal, reactnet, ir-net)");
    check_run("--data \xff"); /* a path may be any bytes */
    ck_assert_str_eq(data, "\xff");
    check_run("--out \xff --data \xc3\xa9\xe2\x82\xac\xf0\x9f\x98\x80");
    /* What was refused has changed nothing. */
    reset();
    parse("--batch-size 0");
    ck_assert_int_eq(batch_size, 128);
}
END_TEST

START_TEST(long_choices_stay_one_line) {
    static char names[60][16];
    static const char *many[61];
    for (int i = 0; i < 60; i++) {
        snprintf(names[i], sizeof names[i], "architecture%d", i);
        many[i] = names[i];
    }
    reset();
    options[0].choices = many;
    ck_assert_int_eq(parse("--algo q"), BNN_PARSE_ERROR);
    options[0].choices = algorithms;
    ck_assert_ptr_nonnull(strstr(refused, "architecture0, architecture1, "));
    ck_assert_ptr_nonnull(strstr(refused, ", ...)\n"));
}
END_TEST

START_TEST(nearest_names) {
    static const char *const names[] = {"lr", "seed", "epochs", "threads", "reactnet", NULL};
    static const char *const pairs[][2] = {
        {"lr", "lr"},
        {"rl", "lr"},
        {"sed", "seed"},
        {"esed", "seed"},
        {"epohcs", "epochs"},
        {"epoch", "epochs"},
        {"EPOCHS", "epochs"},
        {"thread", "threads"},
        {"rectnet", "reactnet"},
        {"react", "reactnet"},
        {"re", NULL},
        {"x", NULL},
        {"l", "lr"},
        {"", NULL},
        {"feet", NULL},
        {"wobble", NULL},
    };
    for (size_t i = 0; i < sizeof pairs / sizeof pairs[0]; i++)
        ck_assert_pstr_eq(bnn_nearest_name(pairs[i][0], names), pairs[i][1]);
    char longest[200];
    memset(longest, 'e', sizeof longest);
    longest[sizeof longest - 1] = '\0';
    ck_assert_ptr_null(bnn_nearest_name(longest, names));
    static const char *const none[] = {NULL};
    ck_assert_ptr_null(bnn_nearest_name("lr", none));
}
END_TEST

/* ---- help ---- */

START_TEST(help_shows_everything) {
    reset();
    /* Defaults are shown, whatever else is on the line; and nothing is refused. */
    ck_assert_int_eq(parse("--lr 5 --wobble -h"), BNN_PARSE_DONE);
    ck_assert_str_eq(refused, "");
    ck_assert_ptr_nonnull(strstr(printed, "Usage: bnn-train [options]\n"));
    for (size_t i = 0; i < program.option_count; i++) {
        char name[80];
        snprintf(name, sizeof name, "\n  --%s", options[i].name);
        ck_assert_ptr_nonnull(strstr(printed, name));
    }
    static const char *const there[] = {"(default: 0.001)",
                                        "(default: all cores)",
                                        "(default: 128)",
                                        "(default: reactnet)",
                                        "(choices: bnn,",
                                        "--resume [DIR]",
                                        "--config FILE",
                                        "-h, --help",
                                        "--version",
                                        "A second paragraph.\n",
                                        "  bnn-train --algo reactnet\n"};
    for (size_t i = 0; i < sizeof there / sizeof there[0]; i++)
        ck_assert_msg(strstr(printed, there[i]) != NULL, "no '%s' in\n%s", there[i], printed);
    ck_assert_ptr_null(strstr(printed, "nan"));
    for (char *line = strtok(printed, "\n"); line; line = strtok(NULL, "\n"))
        ck_assert_msg(strlen(line) <= 80, "too wide: %s", line);
}
END_TEST

START_TEST(help_without_configuration) {
    static bool flag;
    bnn_option one[] = {{.name = "flag", .type = BNN_OPTION_FLAG, .value = &flag}};
    bnn_program small = program;
    small.options = one;
    small.option_count = 1;
    small.description = small.examples = NULL;
    char *text = NULL;
    size_t bytes = 0;
    FILE *stream = open_memstream(&text, &bytes);
    bnn_options_print_help(&small, stream);
    bnn_options_print_man(&small, stream);
    fclose(stream);
    ck_assert_ptr_null(strstr(text, "config"));
    ck_assert_ptr_nonnull(strstr(text, "\ntrain a network\n"));
    free(text);
    bnn_program saved = program;
    program = small;
    check_refusal("--config x", "unknown option --config; see bnn-train --help");
    program = saved;
}
END_TEST

START_TEST(version_and_man) {
    reset();
    ck_assert_int_eq(parse("--version"), BNN_PARSE_DONE);
    ck_assert_str_eq(printed, "bnn-train " BNN_VERSION "\n");
    ck_assert_int_eq(parse("--man"), BNN_PARSE_DONE);
    static const char *const there[] = {
        ".TH \"BNN\\-TRAIN\" 1",
        ".SH NAME\nbnn\\-train \\- train a network\n",
        ".SH SYNOPSIS\n",
        ".SH DESCRIPTION\n",
        ".PP\nA second paragraph.\n.SH OPTIONS\n",
        "C:\\epath and \\(aqquotes\\(aq",
        "\n\\&.Starts with a dot.\n",
        ".SH EXAMPLES\n.nf\nbnn\\-train \\-\\-algo reactnet\n\\&.dotted \\-\\-line\n.fi\n",
        ".SH \"EXIT STATUS\"\n",
        "\\fB\\-\\-resume\\fR [\\fIDIR\\fR]\n",
        "\\fB\\-\\-config\\fR \\fIFILE\\fR\n",
        "\\fBbnn\\-eval\\fR(1),\n\\fBbnn\\-export\\fR(1),\n\\fBbnn\\-predict\\fR(1),\n",
        "\\fBbnn\\-predict\\fR(1),\n\\fBbnn\\-report\\fR(1),\n\\fBbnn\\-sweep\\fR(1)\n"};
    for (size_t i = 0; i < sizeof there / sizeof there[0]; i++)
        ck_assert_msg(strstr(printed, there[i]) != NULL, "no '%s' in\n%s", there[i], printed);
    for (size_t i = 0; i < program.option_count; i++) {
        char name[160] = ".TP\n\\fB\\-\\-";
        for (const char *s = options[i].name; *s; s++)
            strcat(name, *s == '-' ? "\\-" : (char[]){*s, '\0'});
        ck_assert_msg(strstr(printed, name) != NULL, "no '%s'", name);
    }
    for (const char *s = printed; (s = strchr(s, '\\')); s += 2) /* no escape but known ones */
        ck_assert_ptr_nonnull(strchr("fe-&(", s[1]));
}
END_TEST

int main(void) {
    Suite *suite = suite_create("options");
    TCase *line = tcase_create("command line");
    tcase_add_test(line, accepts_every_form);
    tcase_add_test(line, letters);
    tcase_add_test(line, optional_values);
    tcase_add_test(line, operands_are_counted);
    tcase_add_test(line, refuses_unknown_options);
    tcase_add_test(line, refuses_bad_values);
    tcase_add_test(line, long_choices_stay_one_line);
    tcase_add_test(line, nearest_names);
    suite_add_tcase(suite, line);
    TCase *help = tcase_create("help");
    tcase_add_test(help, help_shows_everything);
    tcase_add_test(help, help_without_configuration);
    tcase_add_test(help, version_and_man);
    suite_add_tcase(suite, help);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_NORMAL);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
