/* SPDX-License-Identifier: Apache-2.0 */
/* `scope`: finds the subcommand and runs it; without one, `serve`. Main thread. */
#include "cli/scope-commands.h"

#include <stdio.h>
#include <string.h>

#include "scope-commit.h"

static const ScopeCommand commands[] = {
    {"serve", "run the server (the default)", scope_command_serve},
    {"generate", "make a video file", scope_command_generate},
    {"replay", "make a recorded session again", scope_command_replay},
    {"pipelines", "list the pipelines", scope_command_pipelines},
    {"models", "list, download, verify and remove model files", scope_command_models},
    {"doctor", "check this machine: GPU, folders, media, port", scope_command_doctor},
    {"version", "print the version", scope_command_version},
};

static void
print_help(void)
{
    printf("usage: scope [COMMAND] [OPTIONS]\n\n"
           "Live generative video: a server for streaming video pipelines.\n\nCommands:\n");
    for (gsize i = 0; i < G_N_ELEMENTS(commands); i++)
        printf("  %-10s  %s\n", commands[i].name, commands[i].summary);
    printf("\n`scope COMMAND --help` tells the options of a command.\n");
}

gboolean
scope_command_parse(const char *summary, const char *description, const GOptionEntry *entries,
                    int argc, char **argv, int *ret_status)
{
    g_autoptr(GOptionContext) context = g_option_context_new(summary);
    g_autoptr(GError) error = NULL;

    g_option_context_add_main_entries(context, entries, NULL);
    if (description)
        g_option_context_set_description(context, description);
    if (!g_option_context_parse(context, &argc, &argv, &error)) {
        fprintf(stderr, "scope: %s (see --help)\n", error->message);
        *ret_status = SCOPE_EXIT_USAGE;
        return FALSE;
    }
    if (argc > 1) {
        fprintf(stderr, "scope: unexpected argument \"%s\" (see --help)\n", argv[1]);
        *ret_status = SCOPE_EXIT_USAGE;
        return FALSE;
    }
    return TRUE;
}

int
scope_command_version(int argc, char **argv)
{
    static const GOptionEntry entries[] = {{NULL}};
    int status = 0;

    if (!scope_command_parse("- print version and commit", NULL, entries, argc, argv, &status))
        return status;
    printf("scope: %s\ngit commit: %s\n", SCOPE_VERSION, SCOPE_COMMIT);
    return 0;
}

int
main(int argc, char **argv)
{
    const char *first = argc > 1 ? argv[1] : NULL;

    if (first && (!strcmp(first, "--help") || !strcmp(first, "-h") || !strcmp(first, "help"))) {
        print_help();
        return 0;
    }
    if (first && !strcmp(first, "--version"))
        return scope_command_version(1, argv);
    if (!first || first[0] == '-')
        return scope_command_serve(argc, argv);
    for (gsize i = 0; i < G_N_ELEMENTS(commands); i++) {
        if (!strcmp(first, commands[i].name)) {
            g_autofree char *name = g_strdup_printf("scope %s", first);
            g_set_prgname(name);
            return commands[i].run(argc - 1, argv + 1);
        }
    }
    fprintf(stderr, "scope: unknown command \"%s\"; `scope --help` lists them\n", first);
    return SCOPE_EXIT_USAGE;
}
