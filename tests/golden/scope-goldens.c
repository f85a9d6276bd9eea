/* SPDX-License-Identifier: Apache-2.0 */
/* scope-goldens: runs every case.json below the given paths through the engine and the models and
 * compares with the recorded reference. One line a case, one summary line, exit status 0 only when
 * nothing failed. Owns nothing beyond the case in progress. Main thread. */
#include "golden-case-private.h"

#include <glib/gstdio.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "engine/scope-devices.h"
#include "engine/scope-engine-error.h"

enum {
    EXIT_FAILED = 1,
    EXIT_USAGE = 2,
    EXIT_SKIPPED = 77,
};

typedef struct {
    char **paths;
    char *filter;
    gboolean list;
    gboolean optional;
    char *device;
    char *precision;
    GoldenSetup setup;
    guint n_passed, n_failed, n_skipped;
} Options;

static int
compare_text(gconstpointer a, gconstpointer b)
{
    return strcmp(*(const char *const *)a, *(const char *const *)b);
}

/* Adds every folder below @path that holds a case.json. */
static gboolean
collect(const char *path, GPtrArray *folders, guint depth, GError **error)
{
    g_autofree char *json = g_build_filename(path, "case.json", NULL);
    g_autoptr(GDir) folder = NULL;
    const char *name;

    if (g_file_test(json, G_FILE_TEST_IS_REGULAR)) {
        g_ptr_array_add(folders, g_strdup(path));
    }
    if (depth > 16) {
        return TRUE;
    }
    folder = g_dir_open(path, 0, error);
    if (folder == NULL) {
        return FALSE;
    }
    while ((name = g_dir_read_name(folder)) != NULL) {
        g_autofree char *child = g_build_filename(path, name, NULL);
        if (g_file_test(child, G_FILE_TEST_IS_DIR) && !g_file_test(child, G_FILE_TEST_IS_SYMLINK) &&
            !collect(child, folders, depth + 1, error)) {
            return FALSE;
        }
    }
    return TRUE;
}

static const GoldenHandler *
find_handler(const GoldenCase *c)
{
    for (const GoldenHandler *handler = golden_handlers; handler->family != NULL; handler++) {
        if (strcmp(handler->family, golden_get_family(c)) == 0 &&
            g_pattern_match_simple(handler->kind, golden_get_kind(c))) {
            return handler;
        }
    }
    return NULL;
}

static void
print_int8(const GoldenCase *c, double elapsed_ms)
{
    g_print("INT8 %-44s relative L2 %.3g, difference %.3g (%s), %u checks, %.0f ms\n%s", c->name,
            c->worst_ratio, c->worst_error, c->worst_name != NULL ? c->worst_name : "none",
            c->n_checks, elapsed_ms, c->report->str);
}

static void
print_verdict(const GoldenCase *c, double elapsed_ms)
{
    if (c->worst_name != NULL) {
        g_print("%s %-44s worst error %.3g of %.3g (%s), %u checks, %.0f ms\n",
                c->n_failures == 0 ? "PASS" : "FAIL", c->name, c->worst_error, c->worst_tolerance,
                c->worst_name, c->n_checks, elapsed_ms);
    } else {
        g_print("%s %-44s worst error 0 of 0, %u checks, %.0f ms\n",
                c->n_failures == 0 ? "PASS" : "FAIL", c->name, c->n_checks, elapsed_ms);
    }
    if (c->n_unjudged > 0) {
        g_print("    %u of them only reported: no error in bf16 is recorded for them\n",
                c->n_unjudged);
    }
    if (c->n_failures > 0) {
        g_print("%s", c->report->str);
    }
    if (c->n_failures > 12) {
        g_print("    and %u more\n", c->n_failures - 12);
    }
}

static gboolean
run_case(GoldenCase *c)
{
    const GoldenHandler *handler = find_handler(c);
    gint64 start_us = g_get_monotonic_time();
    g_autoptr(GError) error = NULL;

    if (handler == NULL) {
        golden_fail(c, "not understood: no handler for kind '%s' of family '%s'",
                    golden_get_kind(c), golden_get_family(c));
    } else if (!handler->run(c, &error)) {
        if (error != NULL) {
            golden_fail(c, "%s", error->message);
        } else if (c->missing != NULL) {
            golden_fail(c, "io.safetensors has no input '%s'", c->missing);
        } else {
            golden_fail(c, "the handler gave no reason");
        }
    } else {
        golden_check_unused(c);
        if (c->n_checks == 0) {
            golden_fail(c, "the handler checked nothing");
        }
    }
    double elapsed_ms = (double)(g_get_monotonic_time() - start_us) / 1000.0;
    if (!c->setup->int8) {
        print_verdict(c, elapsed_ms);
    } else if (c->int8_ran) {
        print_int8(c, elapsed_ms);
    }
    return c->n_failures == 0;
}

/* Runs the case in a child process, so that one that stops the program fails alone. A device stays
 * with the process that opened it, and what 8-bit weights change is asked afterwards: these run in
 * this one. */
static gboolean
run_apart(GoldenCase *c)
{
    int status = 0;
    pid_t child;

    if (c->setup->is_device || c->setup->int8) {
        return run_case(c);
    }
    fflush(stdout);
    child = fork();
    if (child == 0) {
        gboolean passed = run_case(c);
        fflush(stdout);
        golden_case_close(c);
        exit(passed ? EXIT_SUCCESS : EXIT_FAILED);
    }
    if (child < 0 || waitpid(child, &status, 0) != child || !WIFEXITED(status) ||
        WEXITSTATUS(status) > EXIT_FAILED) {
        g_print("FAIL %-44s\n    the process of the case ended early (status %d)\n", c->name,
                status);
        return FALSE;
    }
    return WEXITSTATUS(status) == EXIT_SUCCESS;
}

static void
visit(const char *folder, Options *options)
{
    g_autoptr(GError) error = NULL;
    g_autoptr(GoldenCase) c = golden_case_open(folder, &options->setup, &error);
    g_autofree char *pattern =
        options->filter != NULL ? g_strdup_printf("*%s*", options->filter) : g_strdup("*");

    if (!g_pattern_match_simple(pattern, c != NULL ? c->name : folder)) {
        options->n_skipped++;
        return;
    }
    if (c == NULL) {
        g_print("FAIL %-44s\n    %s\n", folder, error->message);
        options->n_failed++;
    } else if (options->list) {
        g_print("%-44s %-24s %s\n", c->name, golden_get_kind(c),
                find_handler(c) != NULL ? folder : "(no handler)");
    } else if (run_apart(c)) {
        *(options->setup.int8 && !c->int8_ran ? &options->n_skipped : &options->n_passed) += 1;
    } else {
        options->n_failed++;
    }
    fflush(stdout);
}

static int
run_all(Options *options)
{
    g_autoptr(GPtrArray) folders = g_ptr_array_new_with_free_func(g_free);
    g_autoptr(GError) error = NULL;

    for (char **path = options->paths; *path != NULL; path++) {
        if (options->optional && !g_file_test(*path, G_FILE_TEST_IS_DIR)) {
            g_print("SKIP %s is not there\n", *path);
            continue;
        }
        if (!collect(*path, folders, 0, &error)) {
            g_printerr("scope-goldens: %s: %s\n", *path, error->message);
            return EXIT_USAGE;
        }
    }
    g_ptr_array_sort(folders, compare_text);
    for (guint i = 0; i < folders->len; i++) {
        visit(g_ptr_array_index(folders, i), options);
    }
    if (options->list) {
        return EXIT_SUCCESS;
    }
    g_print("%u passed, %u failed, %u skipped\n", options->n_passed, options->n_failed,
            options->n_skipped);
    if (options->n_failed > 0) {
        return EXIT_FAILED;
    }
    if (options->n_passed == 0) {
        g_print("no case was run\n");
        return options->optional ? EXIT_SKIPPED : EXIT_FAILED;
    }
    return EXIT_SUCCESS;
}

/* Opens the backend. Returns: the exit status, EXIT_SUCCESS to go on. */
static int
choose_device(Options *options)
{
    static const char *const names[SCOPE_N_PRECISIONS] = {[SCOPE_PRECISION_BF16] = "bf16",
                                                          [SCOPE_PRECISION_F32] = "f32",
                                                          [SCOPE_PRECISION_FP8] = "fp8"};
    const char *device = options->device != NULL ? options->device : "cpu";
    const char *precision = options->precision != NULL ? options->precision : "f32";
    GoldenSetup *setup = &options->setup;
    g_autoptr(GError) error = NULL;

    while (setup->precision < SCOPE_N_PRECISIONS &&
           strcmp(names[setup->precision], precision) != 0) {
        setup->precision++;
    }
    if (setup->precision == SCOPE_N_PRECISIONS) {
        g_printerr("scope-goldens: --dtype %s: expected f32, bf16 or fp8\n", precision);
        return EXIT_USAGE;
    }
    setup->backend = scope_devices_open(device, setup->precision, &error);
    if (setup->backend != NULL) {
        setup->is_device = setup->backend->memory == SCOPE_MEMORY_DEVICE;
        return EXIT_SUCCESS;
    }
    g_print("no CUDA device: %s\n", error->message);
    return options->optional &&
                   g_error_matches(error, SCOPE_ENGINE_ERROR, SCOPE_ENGINE_ERROR_NO_DEVICE)
               ? EXIT_SKIPPED
               : EXIT_USAGE;
}

int
main(int argc, char **argv)
{
    Options options = {.setup.n_threads = 1};
    GOptionEntry entries[] = {
        {"list", 'l', 0, G_OPTION_ARG_NONE, &options.list, "List the cases, run nothing", NULL},
        {"filter", 'f', 0, G_OPTION_ARG_STRING, &options.filter,
         "Run only cases whose name (family/folder) holds TEXT; '*' and '?' match anything",
         "TEXT"},
        {"threads", 't', 0, G_OPTION_ARG_INT, &options.setup.n_threads,
         "Cores that the engine may use (1)", "N"},
        {"int8", 0, 0, G_OPTION_ARG_NONE, &options.setup.int8,
         "Load the models that can with 8-bit weights and show their error, without a verdict",
         NULL},
        {"device", 0, 0, G_OPTION_ARG_STRING, &options.device, "cpu, cuda or cuda:N (cpu)",
         "DEVICE"},
        {"dtype", 0, 0, G_OPTION_ARG_STRING, &options.precision,
         "Arithmetic of a device: f32, bf16 or fp8 (f32)", "TYPE"},
        {"optional", 0, 0, G_OPTION_ARG_NONE, &options.optional,
         "Exit with 77 (skipped) when a PATH or the device is not there", NULL},
        {G_OPTION_REMAINING, 0, 0, G_OPTION_ARG_FILENAME_ARRAY, &options.paths, NULL, "PATH..."},
        {NULL},
    };
    g_autoptr(GOptionContext) context = g_option_context_new("- compare with recorded references");
    g_autoptr(GError) error = NULL;
    int status;

    g_option_context_add_main_entries(context, entries, NULL);
    g_option_context_set_description(
        context, "Finds every case.json below each PATH, runs it and prints a line with the worst\n"
                 "error, its tolerance and the verdict. Exits with 0 only when every case passed;\n"
                 "a case that is not understood has failed.");
    if (!g_option_context_parse(context, &argc, &argv, &error)) {
        g_printerr("scope-goldens: %s\n", error->message);
        return EXIT_USAGE;
    }
    if (options.paths == NULL || options.setup.n_threads < 1 || options.setup.n_threads > 1024) {
        g_autofree char *help = g_option_context_get_help(context, TRUE, NULL);
        g_printerr("%s", help);
        status = EXIT_USAGE;
    } else {
        status = choose_device(&options);
    }
    if (status == EXIT_SUCCESS) {
        status = run_all(&options);
    }
    g_strfreev(options.paths);
    g_free(options.device);
    g_free(options.precision);
    g_free(options.filter);
    return status;
}
