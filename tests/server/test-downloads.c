/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Downloads against a stand-in of the hub that misbehaves: what arrives is whole and verified, what
 * does not leaves a part that is resumed, and every failure says what to do.
 */
#include "server/scope-downloads.h"

#include <glib/gstdio.h>
#include <string.h>

#include "hub-stand-in.h"
#include "server/scope-fetch.h"

#define N_BYTES 200000
#define WAIT_US (20 * G_USEC_PER_SEC)

static const char *const weights[] = {"weights.bin", NULL};
static const char *const several[] = {"config.json", "google", "weights.bin", NULL};
static const char *const lacking[] = {"absent.bin", NULL};
static const ScopeArtifact one_file = {.repo_id = "owner/model", .files = weights};
static const ScopeArtifact many_files = {.repo_id = "owner/model", .files = several};
static const ScopeArtifact no_file = {.repo_id = "owner/model", .files = lacking};
static const ScopeArtifact on_drive = {
    .drive_file_id = "weights.bin", .name = "drive", .files = weights};

typedef struct {
    HubStandIn *hub;
    char *folder;
    ScopeDownloads *downloads;
} Fixture;

static void
set_up(Fixture *fixture, gconstpointer token)
{
    g_autoptr(GError) error = NULL;

    fixture->hub = hub_stand_in_new(token);
    hub_stand_in_add(fixture->hub, "owner/model", "config.json", 12, FALSE);
    hub_stand_in_add(fixture->hub, "owner/model", "google/umt5/spiece.model", 3000, TRUE);
    hub_stand_in_add(fixture->hub, "owner/model", "google/umt5/tokenizer.json", 2000, FALSE);
    hub_stand_in_add(fixture->hub, "owner/model", "weights.bin", N_BYTES, TRUE);
    fixture->folder = g_dir_make_tmp("scope-downloads-XXXXXX", &error);
    g_assert_no_error(error);
    const ScopeHub hub = {hub_stand_in_get_url(fixture->hub), token,
                          hub_stand_in_get_url(fixture->hub)};
    fixture->downloads = scope_downloads_new(fixture->folder, &hub, 1, &error);
    g_assert_no_error(error);
}

static void
remove_tree(const char *path)
{
    GDir *folder = g_dir_open(path, 0, NULL);
    const char *name;

    while (folder && (name = g_dir_read_name(folder))) {
        g_autofree char *child = g_build_filename(path, name, NULL);
        remove_tree(child);
    }
    g_clear_pointer(&folder, g_dir_close);
    g_remove(path);
}

static void
tear_down(Fixture *fixture, gconstpointer token)
{
    scope_downloads_free(fixture->downloads);
    hub_stand_in_free(fixture->hub);
    remove_tree(fixture->folder);
    g_free(fixture->folder);
}

/* Downloads @artifact and waits; returns the error, or NULL. */
static char *
download(Fixture *fixture, const ScopeArtifact *artifact)
{
    g_auto(ScopeDownloadStatus) status = {0};

    g_assert_true(scope_downloads_start(fixture->downloads, "p", artifact, 1));
    g_assert_true(scope_downloads_wait(fixture->downloads, "p", g_get_monotonic_time() + WAIT_US));
    if (!scope_downloads_get_status(fixture->downloads, "p", &status))
        return NULL;
    g_assert_false(status.is_downloading);
    return g_steal_pointer(&status.error);
}

static void
assert_file(Fixture *fixture, const char *path, gsize n_bytes)
{
    g_autofree char *full = g_build_filename(fixture->folder, path, NULL);
    g_autofree char *text = NULL;
    g_autofree guint8 *expected = g_malloc(n_bytes + 1);
    gsize length = 0;

    g_assert_true(g_file_get_contents(full, &text, &length, NULL));
    hub_stand_in_fill(expected, n_bytes);
    g_assert_cmpmem(text, length, expected, n_bytes);
}

static void
assert_no_file(Fixture *fixture, const char *path)
{
    g_autofree char *full = g_build_filename(fixture->folder, path, NULL);
    g_assert_false(g_file_test(full, G_FILE_TEST_EXISTS));
}

static void
test_artifact(Fixture *fixture, gconstpointer token)
{
    g_assert_null(download(fixture, &many_files));
    assert_file(fixture, "model/config.json", 12);
    assert_file(fixture, "model/google/umt5/spiece.model", 3000);
    assert_file(fixture, "model/google/umt5/tokenizer.json", 2000);
    assert_file(fixture, "model/weights.bin", N_BYTES);
    g_assert_null(scope_artifact_find_missing(&many_files, fixture->folder));
    assert_no_file(fixture, "model/weights.bin.incomplete");
}

static void
test_present_files_stay(Fixture *fixture, gconstpointer token)
{
    g_assert_null(download(fixture, &one_file));
    g_assert_null(download(fixture, &many_files));
    g_assert_cmpuint(hub_stand_in_count(fixture->hub, "weights.bin", NULL), ==, 1);
}

static void
test_shared_artifact(Fixture *fixture, gconstpointer token)
{
    const gint64 deadline_us = g_get_monotonic_time() + WAIT_US;

    g_assert_true(scope_downloads_start(fixture->downloads, "a", &one_file, 1));
    g_assert_true(scope_downloads_start(fixture->downloads, "b", &one_file, 1));
    g_assert_true(scope_downloads_wait(fixture->downloads, "a", deadline_us));
    g_assert_true(scope_downloads_wait(fixture->downloads, "b", deadline_us));
    assert_file(fixture, "model/weights.bin", N_BYTES);
    g_assert_cmpuint(hub_stand_in_count(fixture->hub, "weights.bin", NULL), ==, 1);
}

static void
test_cut_connection_is_resumed(Fixture *fixture, gconstpointer token)
{
    gsize n_sent = 0;

    hub_stand_in_set_fault(fixture->hub, "weights.bin", HUB_FAULT_CUT, 3, 0);
    g_assert_null(download(fixture, &one_file));
    assert_file(fixture, "model/weights.bin", N_BYTES);
    g_assert_cmpuint(hub_stand_in_count(fixture->hub, "weights.bin", &n_sent), ==, 4);
    g_assert_cmpuint(n_sent, ==, N_BYTES);
}

static void
test_server_without_ranges(Fixture *fixture, gconstpointer token)
{
    g_autofree char *folder = g_build_filename(fixture->folder, "model", NULL);
    g_autofree char *part = g_build_filename(folder, "weights.bin.incomplete", NULL);

    g_mkdir_with_parents(folder, 0755);
    g_assert_true(g_file_set_contents(part, "something else", -1, NULL));
    hub_stand_in_set_fault(fixture->hub, "weights.bin", HUB_FAULT_IGNORE_RANGE, 1, 0);
    g_assert_null(download(fixture, &one_file));
    assert_file(fixture, "model/weights.bin", N_BYTES);
}

static void
test_part_of_another_file(Fixture *fixture, gconstpointer token)
{
    g_autofree char *folder = g_build_filename(fixture->folder, "model", NULL);
    g_autofree char *part = g_build_filename(folder, "weights.bin.incomplete", NULL);

    g_mkdir_with_parents(folder, 0755);
    g_assert_true(g_file_set_contents(part, "something else", -1, NULL));
    g_assert_null(download(fixture, &one_file));
    assert_file(fixture, "model/weights.bin", N_BYTES);
    g_assert_cmpuint(hub_stand_in_count(fixture->hub, "weights.bin", NULL), ==, 2);
}

static void
test_damaged_once(Fixture *fixture, gconstpointer token)
{
    hub_stand_in_set_fault(fixture->hub, "weights.bin", HUB_FAULT_DAMAGE, 1, 0);
    g_assert_null(download(fixture, &one_file));
    assert_file(fixture, "model/weights.bin", N_BYTES);
}

static void
test_damaged_always(Fixture *fixture, gconstpointer token)
{
    hub_stand_in_set_fault(fixture->hub, "weights.bin", HUB_FAULT_DAMAGE, 99, 0);
    g_autofree char *error = download(fixture, &one_file);
    g_assert_nonnull(strstr(error, "sha256"));
    assert_no_file(fixture, "model/weights.bin");
    assert_no_file(fixture, "model/weights.bin.incomplete");
}

static void
test_server_errors_pass(Fixture *fixture, gconstpointer token)
{
    hub_stand_in_set_fault(fixture->hub, "weights.bin", HUB_FAULT_STATUS, 2, 503);
    g_assert_null(download(fixture, &one_file));
    hub_stand_in_set_fault(fixture->hub, "config.json", HUB_FAULT_STATUS, 2, 429);
    g_assert_null(download(fixture, &many_files));
    assert_file(fixture, "model/config.json", 12);
}

static void
test_refusals_name_the_remedy(Fixture *fixture, gconstpointer token)
{
    static const struct {
        guint status;
        const char *says;
        guint n_requests;
    } cases[] = {
        {401, "HF_TOKEN", 1}, {403, "licence", 2}, {404, "no such file", 3}, {429, "HF_TOKEN", 8}};

    for (gsize i = 0; i < G_N_ELEMENTS(cases); i++) {
        hub_stand_in_set_fault(fixture->hub, "weights.bin", HUB_FAULT_STATUS, 99, cases[i].status);
        g_autofree char *error = download(fixture, &one_file);
        g_assert_nonnull(error);
        g_assert_nonnull(strstr(error, cases[i].says));
        g_assert_cmpuint(hub_stand_in_count(fixture->hub, "weights.bin", NULL), ==,
                         cases[i].n_requests);
    }
    assert_no_file(fixture, "model/weights.bin");
}

static void
test_missing_token(Fixture *fixture, gconstpointer token)
{
    g_autoptr(GError) error = NULL;
    const ScopeHub anonymous = {hub_stand_in_get_url(fixture->hub), NULL, ""};
    g_autoptr(ScopeDownloads) downloads =
        scope_downloads_new(fixture->folder, &anonymous, 1, &error);
    g_auto(ScopeDownloadStatus) status = {0};

    g_assert_true(scope_downloads_start(downloads, "p", &one_file, 1));
    g_assert_true(scope_downloads_wait(downloads, "p", g_get_monotonic_time() + WAIT_US));
    g_assert_true(scope_downloads_get_status(downloads, "p", &status));
    g_assert_nonnull(strstr(status.error, "HF_TOKEN"));
}

static void
test_file_that_is_not_there(Fixture *fixture, gconstpointer token)
{
    g_autofree char *error = download(fixture, &no_file);
    g_assert_nonnull(strstr(error, "absent.bin"));
}

static void
test_drive(Fixture *fixture, gconstpointer token)
{
    g_assert_null(download(fixture, &on_drive));
    assert_file(fixture, "drive/weights.bin", N_BYTES);
}

static void
test_cancel_and_resume(Fixture *fixture, gconstpointer token)
{
    const gint64 deadline_us = g_get_monotonic_time() + WAIT_US;
    gsize n_sent = 0;

    hub_stand_in_set_fault(fixture->hub, "weights.bin", HUB_FAULT_STALL, 1, 0);
    g_assert_true(scope_downloads_start(fixture->downloads, "p", &one_file, 1));
    g_assert_false(scope_downloads_start(fixture->downloads, "p", &one_file, 1));
    g_autofree char *part =
        g_build_filename(fixture->folder, "model", "weights.bin.incomplete", NULL);
    for (GStatBuf info = {0}; info.st_size < N_BYTES / 2; g_stat(part, &info)) {
        g_assert_cmpint(g_get_monotonic_time(), <, deadline_us);
        scope_downloads_wait(fixture->downloads, "p", g_get_monotonic_time() + 2000);
    }
    g_assert_true(scope_downloads_cancel(fixture->downloads, "p"));
    g_assert_true(scope_downloads_wait(fixture->downloads, "p", deadline_us));
    assert_no_file(fixture, "model/weights.bin");

    g_assert_null(download(fixture, &one_file));
    assert_file(fixture, "model/weights.bin", N_BYTES);
    hub_stand_in_count(fixture->hub, "weights.bin", &n_sent);
    g_assert_cmpuint(n_sent, <=, N_BYTES);
}

int
main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
#define ADD(name, func) g_test_add("/downloads/" name, Fixture, "secret", set_up, func, tear_down)
    ADD("artifact", test_artifact);
    ADD("present-files-stay", test_present_files_stay);
    ADD("shared-artifact", test_shared_artifact);
    ADD("cut-connection-is-resumed", test_cut_connection_is_resumed);
    ADD("server-without-ranges", test_server_without_ranges);
    ADD("part-of-another-file", test_part_of_another_file);
    ADD("damaged-once", test_damaged_once);
    ADD("damaged-always", test_damaged_always);
    ADD("server-errors-pass", test_server_errors_pass);
    ADD("refusals-name-the-remedy", test_refusals_name_the_remedy);
    ADD("missing-token", test_missing_token);
    ADD("file-that-is-not-there", test_file_that_is_not_there);
    ADD("drive", test_drive);
    ADD("cancel-and-resume", test_cancel_and_resume);
#undef ADD
    return g_test_run();
}
