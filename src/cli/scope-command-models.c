/* SPDX-License-Identifier: Apache-2.0 */
/*
 * `scope models list|download|verify|remove`: the model files of the pipelines, without a server.
 * Main thread; downloads run on the thread of ScopeDownloads.
 */
#include "cli/scope-commands.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include <glib/gstdio.h>

#include "cli/scope-program.h"
#include "core/scope-log.h"
#include "server/scope-downloads.h"
#include "server/scope-fetch.h"

#define POLL_US   (200 * 1000)
#define BAR_WIDTH 30

/* What a verb works on. */
typedef struct {
    ScopeConfig config;
    ScopeProgram program;
    ScopeHub hub;
    char **ids;
    gboolean is_all;
    gboolean is_forced;
} Models;

/* ---- which pipelines ----------------------------------------------------------------------- */

static gboolean
is_named(const Models *models, const ScopePipelineDesc *desc)
{
    return models->is_all ||
           (models->ids && g_strv_contains((const char *const *)models->ids, desc->id));
}

/* Whether every id that was given is a pipeline, and at least one is given or meant. */
static gboolean
check_ids(const Models *models, const char *verb)
{
    for (char **id = models->ids; id && *id; id++) {
        if (!scope_registry_lookup(models->program.registry, *id)) {
            fprintf(stderr, "scope: no pipeline \"%s\"; `scope pipelines` lists them\n", *id);
            return FALSE;
        }
    }
    if (models->is_all || (models->ids && models->ids[0]))
        return TRUE;
    fprintf(stderr, "scope: models %s: name one or more pipelines, or --all\n", verb);
    return FALSE;
}

/* Calls @visit for each artifact of the pipelines named, until one call fails. */
typedef gboolean (*VisitArtifact)(const Models *models, const ScopePipelineDesc *desc,
                                  const ScopeArtifact *artifact, gpointer data);

static gboolean
visit_artifacts(const Models *models, VisitArtifact visit, gpointer data)
{
    gboolean is_good = TRUE;

    for (guint i = 0; i < scope_registry_get_n(models->program.registry); i++) {
        const ScopePipelineDesc *desc = scope_registry_get(models->program.registry, i)->desc;
        for (guint j = 0; is_named(models, desc) && j < desc->n_artifacts; j++)
            is_good = visit(models, desc, &desc->artifacts[j], data) && is_good;
    }
    return is_good;
}

/* ---- list ---------------------------------------------------------------------------------- */

static gboolean
print_artifact(const Models *models, const ScopePipelineDesc *desc, const ScopeArtifact *artifact,
               gpointer data)
{
    g_autofree char *label = scope_artifact_dup_label(artifact);
    g_autofree char *missing = scope_artifact_find_missing(artifact, models->config.models_dir);
    guint *n_missing = data;

    printf("%-22s %-10s %s\n", desc->id, missing ? "missing" : "present", label);
    *n_missing += missing != NULL;
    return TRUE;
}

static int
list_models(Models *models)
{
    guint n_missing = 0;

    if (!models->ids || !models->ids[0])
        models->is_all = TRUE;
    printf("%-22s %-10s %s\n", "PIPELINE", "STATE", "REPOSITORY");
    visit_artifacts(models, print_artifact, &n_missing);
    printf("\nFolder: %s\n", models->config.models_dir);
    if (n_missing > 0)
        printf("`scope models download ID` fetches what is missing.\n");
    return 0;
}

/* ---- download ------------------------------------------------------------------------------ */

static void
print_progress(const char *id, const ScopeDownloadStatus *status, gboolean is_terminal)
{
    const int filled = (int)(MAX(status->percentage, 0) * BAR_WIDTH / 100);
    char bar[BAR_WIDTH + 1];
    g_autofree char *done = g_format_size((guint64)MAX(status->n_bytes, 0));
    g_autofree char *total =
        status->total_bytes >= 0 ? g_format_size((guint64)status->total_bytes) : g_strdup("?");

    if (!is_terminal)
        return;
    memset(bar, '.', BAR_WIDTH);
    memset(bar, '#', (gsize)CLAMP(filled, 0, BAR_WIDTH));
    bar[BAR_WIDTH] = '\0';
    printf("\r%s  %s [%s] %3.0f %%  %s of %s\033[K", id,
           status->artifact ? status->artifact : "waiting", bar, MAX(status->percentage, 0), done,
           total);
    fflush(stdout);
}

static gboolean
download_one(ScopeDownloads *downloads, const ScopePipelineDesc *desc)
{
    const gboolean is_terminal = isatty(STDOUT_FILENO);
    g_auto(ScopeDownloadStatus) last = {0};

    scope_downloads_start(downloads, desc->id, desc->artifacts, desc->n_artifacts);
    while (!scope_downloads_wait(downloads, desc->id, g_get_monotonic_time() + POLL_US)) {
        g_auto(ScopeDownloadStatus) status = {0};
        if (scope_downloads_get_status(downloads, desc->id, &status))
            print_progress(desc->id, &status, is_terminal);
    }
    const gboolean has_failed = scope_downloads_get_status(downloads, desc->id, &last);
    printf("%s%s: %s\n", is_terminal ? "\r\033[K" : "", desc->id,
           has_failed ? last.error : "complete");
    return !has_failed;
}

static int
download_models(Models *models)
{
    g_autoptr(GError) error = NULL;
    g_autoptr(ScopeDownloads) downloads = NULL;
    gboolean is_good = TRUE;

    if (!check_ids(models, "download"))
        return SCOPE_EXIT_USAGE;
    downloads = scope_downloads_new(models->config.models_dir, &models->hub, 1000, &error);
    if (!downloads) {
        fprintf(stderr, "scope: %s\n", error->message);
        return 1;
    }
    for (guint i = 0; i < scope_registry_get_n(models->program.registry); i++) {
        const ScopePipelineDesc *desc = scope_registry_get(models->program.registry, i)->desc;
        if (is_named(models, desc))
            is_good = download_one(downloads, desc) && is_good;
    }
    return is_good ? 0 : 1;
}

/* ---- verify -------------------------------------------------------------------------------- */

static char *
dup_checksum(const char *path)
{
    g_autoptr(GMappedFile) file = g_mapped_file_new(path, FALSE, NULL);

    if (!file)
        return NULL;
    return g_compute_checksum_for_data(G_CHECKSUM_SHA256,
                                       (const guchar *)g_mapped_file_get_contents(file),
                                       g_mapped_file_get_length(file));
}

/* What is wrong with the file at @path, or NULL. */
static const char *
find_damage(const char *path, const ScopeHubFile *file)
{
    GStatBuf info;

    if (g_stat(path, &info) != 0)
        return "missing";
    if (file->size_bytes >= 0 && info.st_size != file->size_bytes)
        return "of another size";
    if (!file->sha256)
        return NULL;
    g_autofree char *checksum = dup_checksum(path);
    return checksum && !g_ascii_strncasecmp(checksum, file->sha256, strlen(file->sha256))
               ? NULL
               : "damaged";
}

/* Google Drive tells neither size nor checksum of what is in an archive. */
static gboolean
verify_presence(const Models *models, const ScopeArtifact *artifact)
{
    g_autofree char *folder = scope_artifact_dup_folder(artifact, models->config.models_dir);
    gboolean is_good = TRUE;

    for (const char *const *file = artifact->files; *file; file++) {
        g_autofree char *path = g_build_filename(folder, *file, NULL);
        const gboolean is_there = g_file_test(path, G_FILE_TEST_IS_REGULAR);
        printf("%-10s %s\n", is_there ? "present" : "missing", path);
        is_good = is_good && is_there;
    }
    return is_good;
}

static gboolean
verify_artifact(const Models *models, const ScopePipelineDesc *desc, const ScopeArtifact *artifact,
                gpointer data)
{
    g_autofree char *folder = scope_artifact_dup_folder(artifact, models->config.models_dir);
    g_autoptr(GError) error = NULL;
    g_autoptr(GPtrArray) files = NULL;
    gboolean is_good;

    if (artifact->drive_file_id)
        return verify_presence(models, artifact);
    files = scope_hub_list(&models->hub, data, artifact, NULL, &error);
    is_good = files != NULL;

    if (!files)
        printf("%s: %s\n", desc->id, error->message);
    for (guint i = 0; files && i < files->len; i++) {
        const ScopeHubFile *file = files->pdata[i];
        g_autofree char *path = g_build_filename(folder, file->path, NULL);
        const char *damage = find_damage(path, file);
        printf("%-10s %s\n", damage ? damage : "good", path);
        is_good = is_good && !damage;
    }
    return is_good;
}

static int
verify_models(Models *models)
{
    g_autoptr(SoupSession) session = scope_fetch_session_new();

    if (!check_ids(models, "verify"))
        return SCOPE_EXIT_USAGE;
    return visit_artifacts(models, verify_artifact, session) ? 0 : 1;
}

/* ---- remove -------------------------------------------------------------------------------- */

/* Whether a pipeline that is not named needs files of @artifact's folder. */
static const char *
find_other_user(const Models *models, const ScopeArtifact *artifact)
{
    g_autofree char *folder = scope_artifact_dup_folder(artifact, models->config.models_dir);

    for (guint i = 0; i < scope_registry_get_n(models->program.registry); i++) {
        const ScopePipelineDesc *desc = scope_registry_get(models->program.registry, i)->desc;
        for (guint j = 0; !is_named(models, desc) && j < desc->n_artifacts; j++) {
            g_autofree char *other =
                scope_artifact_dup_folder(&desc->artifacts[j], models->config.models_dir);
            if (!strcmp(folder, other))
                return desc->id;
        }
    }
    return NULL;
}

static void
remove_below(const char *path)
{
    GDir *folder = g_file_test(path, G_FILE_TEST_IS_SYMLINK) ? NULL : g_dir_open(path, 0, NULL);
    const char *name;

    while (folder && (name = g_dir_read_name(folder))) {
        g_autofree char *child = g_build_filename(path, name, NULL);
        remove_below(child);
    }
    g_clear_pointer(&folder, g_dir_close);
    g_remove(path);
}

static gboolean
remove_artifact(const Models *models, const ScopePipelineDesc *desc, const ScopeArtifact *artifact,
                gpointer data)
{
    const char *user = models->is_forced ? NULL : find_other_user(models, artifact);
    g_autofree char *folder = scope_artifact_dup_folder(artifact, models->config.models_dir);

    if (user) {
        printf("kept     %s (%s needs it; --force removes it all the same)\n", folder, user);
        return TRUE;
    }
    for (const char *const *file = artifact->files; file && *file; file++) {
        g_autofree char *path = g_build_filename(folder, *file, NULL);
        if (!g_file_test(path, G_FILE_TEST_EXISTS))
            continue;
        remove_below(path);
        printf("removed  %s\n", path);
    }
    g_rmdir(folder);
    return TRUE;
}

static int
remove_models(Models *models)
{
    if (!check_ids(models, "remove"))
        return SCOPE_EXIT_USAGE;
    return visit_artifacts(models, remove_artifact, NULL) ? 0 : 1;
}

/* ---- the command --------------------------------------------------------------------------- */

static const struct {
    const char *name;
    int (*run)(Models *models);
} verbs[] = {
    {"list", list_models},
    {"download", download_models},
    {"verify", verify_models},
    {"remove", remove_models},
};

static int
run_verb(Models *models, const char *verb)
{
    for (gsize i = 0; i < G_N_ELEMENTS(verbs); i++)
        if (!strcmp(verb, verbs[i].name))
            return verbs[i].run(models);
    fprintf(stderr, "scope: models: unknown verb \"%s\": list, download, verify or remove\n", verb);
    return SCOPE_EXIT_USAGE;
}

int
scope_command_models(int argc, char **argv)
{
    Models models = {.hub = {SCOPE_HUB_ENDPOINT, NULL, SCOPE_DRIVE_ENDPOINT}};
    g_auto(GStrv) words = NULL;
    const GOptionEntry entries[] = {
        {"all", 0, 0, G_OPTION_ARG_NONE, &models.is_all, "All pipelines", NULL},
        {"force", 0, 0, G_OPTION_ARG_NONE, &models.is_forced,
         "remove: also what other pipelines need", NULL},
        {"models-dir", 0, 0, G_OPTION_ARG_FILENAME, &models.config.models_dir,
         "Folder of model files", "DIR"},
        {G_OPTION_REMAINING, 0, 0, G_OPTION_ARG_STRING_ARRAY, &words, NULL, "VERB [PIPELINE...]"},
        {NULL},
    };
    g_autoptr(GError) error = NULL;
    int status = 0;

    if (!scope_command_parse("- model files: list, download, verify, remove",
                             "HF_TOKEN is sent for repositories that ask for it; HF_ENDPOINT names "
                             "another hub.",
                             entries, argc, argv, &status))
        return status;
    if (g_getenv("HF_ENDPOINT"))
        models.hub.endpoint = g_getenv("HF_ENDPOINT");
    if (g_getenv("SCOPE_DRIVE_ENDPOINT"))
        models.hub.drive_endpoint = g_getenv("SCOPE_DRIVE_ENDPOINT");
    models.hub.token = g_getenv("HF_TOKEN");
    models.ids = words && words[0] ? words + 1 : NULL;
    scope_config_resolve(&models.config);
    const ScopeLogConfig log = {.filter = "warning"};
    scope_log_init(&log, NULL);
    if (scope_program_init(&models.program, &models.config, &error)) {
        status = run_verb(&models, words ? words[0] : "list");
    } else {
        fprintf(stderr, "scope: %s\n", error->message);
        status = 1;
    }
    scope_program_clear(&models.program);
    scope_config_clear(&models.config);
    return status;
}
