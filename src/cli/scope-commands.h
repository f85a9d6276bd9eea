/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The subcommands of `scope`. Each parses its own options and returns the exit status of the
 * process: 0 success, 1 failure, 2 wrong usage, 42 restart wanted by the desktop shell, 130 ended
 * by a signal before the result was complete.
 */
#ifndef SCOPE_COMMANDS_H
#define SCOPE_COMMANDS_H

#include <glib.h>

G_BEGIN_DECLS

/**
 * ScopeCommand:
 * @name: as typed
 * @summary: one line for `scope --help`
 * @run: gets the arguments from the command's name on
 */
typedef struct {
    const char *name;
    const char *summary;
    int (*run)(int argc, char **argv);
} ScopeCommand;

/** SCOPE_EXIT_USAGE: exit status after a wrong option. */
#define SCOPE_EXIT_USAGE 2

/** SCOPE_EXIT_RESTART: exit status that asks the desktop shell to start the program again. */
#define SCOPE_EXIT_RESTART 42

/**
 * scope_command_serve:
 * @argc: number of arguments
 * @argv: arguments, the first being the command's name
 *
 * Runs the server until SIGINT or SIGTERM. Thread: main. Returns: the exit status.
 */
int scope_command_serve(int argc, char **argv);

/**
 * scope_command_pipelines:
 * @argc: number of arguments
 * @argv: arguments, the first being the command's name
 *
 * Prints the registered pipelines as a table or as JSON. Thread: main. Returns: the exit status.
 */
int scope_command_pipelines(int argc, char **argv);

/**
 * scope_command_models:
 * @argc: number of arguments
 * @argv: arguments, the first being the command's name
 *
 * Lists, downloads, verifies or removes model files. Thread: main. Returns: the exit status.
 */
int scope_command_models(int argc, char **argv);

/**
 * scope_command_generate:
 * @argc: number of arguments
 * @argv: arguments, the first being the command's name
 *
 * Makes a video file. Thread: main. Returns: the exit status.
 */
int scope_command_generate(int argc, char **argv);

/**
 * scope_command_replay:
 * @argc: number of arguments
 * @argv: arguments, the first being the command's name
 *
 * Makes a recorded session again. Thread: main. Returns: the exit status.
 */
int scope_command_replay(int argc, char **argv);

/**
 * scope_command_doctor:
 * @argc: number of arguments
 * @argv: arguments, the first being the command's name
 *
 * Prints what is there, what is wrong and the remedies. Thread: main. Returns: the exit status.
 */
int scope_command_doctor(int argc, char **argv);

/**
 * scope_command_version:
 * @argc: number of arguments
 * @argv: arguments, the first being the command's name
 *
 * Prints version and commit, a line each. Thread: main. Returns: the exit status.
 */
int scope_command_version(int argc, char **argv);

/**
 * scope_command_parse:
 * @summary: what follows the command's name in `--help`
 * @description: (nullable): text below the options
 * @entries: options
 * @argc: number of arguments
 * @argv: (inout): arguments; what is not an option stays
 * @ret_status: the exit status, when parsing ended the command
 *
 * Parses options and prints what is wrong with them. Thread: main.
 * Returns: whether the command should go on.
 */
gboolean scope_command_parse(const char *summary, const char *description,
                             const GOptionEntry *entries, int argc, char **argv, int *ret_status);

G_END_DECLS

#endif
