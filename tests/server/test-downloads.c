/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Downloads against a stand-in of the hub that misbehaves: what arrives is whole and verified, what
 * does not leaves a part that is resumed, and every failure says what to do.
 */
#include "server/scope-downloads.h"

#include <fcntl.h>
#include <glib/gstdio.h>
#include <string.h>
#include <unistd.h>
#include <zlib.h>

#include "hub-stand-in.h"
#include "server/scope-fetch.h"
#include "server/scope-unzip.h"

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
test_listing_is_asked_again(Fixture *fixture, gconstpointer token)
{
    hub_stand_in_fail_listing(fixture->hub, 2, 503);
    g_assert_null(download(fixture, &one_file));
    hub_stand_in_fail_listing(fixture->hub, 99, 500);
    g_autofree char *error = download(fixture, &many_files);
    g_assert_nonnull(strstr(error, "answered 500"));
}

static void
test_disk_full(Fixture *fixture, gconstpointer token)
{
    hub_stand_in_announce(fixture->hub, "weights.bin", G_MAXINT64 / 2);
    g_autofree char *error = download(fixture, &one_file);
    g_assert_nonnull(strstr(error, "make room"));
    g_assert_nonnull(strstr(error, "weights.bin"));
    g_assert_cmpuint(hub_stand_in_count(fixture->hub, "weights.bin", NULL), ==, 0);
    assert_no_file(fixture, "model/weights.bin");
}

static void
test_checksum_in_name(Fixture *fixture, gconstpointer token)
{
    g_autofree guint8 *bytes = g_malloc(N_BYTES);
    hub_stand_in_fill(bytes, N_BYTES);
    g_autofree char *sum = g_compute_checksum_for_data(G_CHECKSUM_SHA256, bytes, N_BYTES);
    g_autofree char *good = g_strdup_printf("net-%.8s.pth", sum);
    g_autofree char *url = g_strconcat(hub_stand_in_get_url(fixture->hub), "/cdn", NULL);
    const char *const good_files[] = {good, NULL};
    const char *const bad_files[] = {"net-00000000.pth", NULL};
    const ScopeArtifact right = {.url = url, .name = "net", .files = good_files};
    const ScopeArtifact wrong = {.url = url, .name = "net", .files = bad_files};

    hub_stand_in_add(fixture->hub, "", good, N_BYTES, FALSE);
    hub_stand_in_add(fixture->hub, "", "net-00000000.pth", N_BYTES, FALSE);
    g_assert_null(download(fixture, &right));
    g_assert_null(scope_artifact_find_missing(&right, fixture->folder));
    g_autofree char *error = download(fixture, &wrong);
    g_assert_nonnull(strstr(error, "sha256"));
    assert_no_file(fixture, "net/net-00000000.pth");
}

/* ---- Google Drive -------------------------------------------------------------------------- */

static void
put32(GByteArray *to, guint32 value, guint n_bytes)
{
    for (guint i = 0; i < n_bytes; i++) {
        guint8 byte = (guint8)(value >> (8 * i));
        g_byte_array_append(to, &byte, 1);
    }
}

/* A header of a zip archive: what the local and the central one have in common, and the name. */
static void
put_header(GByteArray *zip, gboolean is_central, guint32 crc, guint32 packed, const char *name,
           guint32 offset)
{
    put32(zip, is_central ? 0x02014b50 : 0x04034b50, 4);
    put32(zip, 20, is_central ? 2 : 0);
    put32(zip, 20, 2);
    put32(zip, 0, 2);
    put32(zip, 8, 2);
    put32(zip, 0, 4);
    put32(zip, crc, 4);
    put32(zip, packed, 4);
    put32(zip, N_BYTES, 4);
    put32(zip, (guint32)strlen(name), 2);
    put32(zip, 0, 2);
    if (is_central) {
        put32(zip, 0, 4);
        put32(zip, 0, 4);
        put32(zip, 0, 2);
        put32(zip, offset, 4);
    }
    g_byte_array_append(zip, (const guint8 *)name, (guint)strlen(name));
}

/* An archive of the known bytes under @name. */
static GBytes *
make_zip(const char *name)
{
    GByteArray *zip = g_byte_array_new();
    g_autofree guint8 *bytes = g_malloc(N_BYTES);
    g_autofree guint8 *packed = g_malloc(2 * N_BYTES);
    z_stream stream = {
        .next_in = bytes, .avail_in = N_BYTES, .next_out = packed, .avail_out = 2 * N_BYTES};
    guint32 crc, directory;

    hub_stand_in_fill(bytes, N_BYTES);
    crc = (guint32)crc32(0, bytes, N_BYTES);
    g_assert_cmpint(deflateInit2(&stream, 6, Z_DEFLATED, -MAX_WBITS, 8, 0), ==, Z_OK);
    g_assert_cmpint(deflate(&stream, Z_FINISH), ==, Z_STREAM_END);
    put_header(zip, FALSE, crc, (guint32)stream.total_out, name, 0);
    g_byte_array_append(zip, packed, (guint)stream.total_out);
    directory = zip->len;
    put_header(zip, TRUE, crc, (guint32)stream.total_out, name, 0);
    deflateEnd(&stream);
    const guint32 n_directory = zip->len - directory;
    put32(zip, 0x06054b50, 4);
    put32(zip, 0, 4);
    put32(zip, 1, 2);
    put32(zip, 1, 2);
    put32(zip, n_directory, 4);
    put32(zip, directory, 4);
    put32(zip, 0, 2);
    return g_byte_array_free_to_bytes(zip);
}

static void
test_drive(Fixture *fixture, gconstpointer token)
{
    g_assert_null(download(fixture, &on_drive));
    assert_file(fixture, "drive/weights.bin", N_BYTES);
    assert_no_file(fixture, "drive/weights.bin.download");
}

static void
test_drive_confirmation(Fixture *fixture, gconstpointer token)
{
    hub_stand_in_set_fault(fixture->hub, "weights.bin", HUB_FAULT_CONFIRM, 1, 0);
    g_assert_null(download(fixture, &on_drive));
    assert_file(fixture, "drive/weights.bin", N_BYTES);
}

static void
test_drive_refusals(Fixture *fixture, gconstpointer token)
{
    static const struct {
        HubFault fault;
        guint status;
        const char *says;
    } cases[] = {{HUB_FAULT_QUOTA, 0, "too many have fetched"},
                 {HUB_FAULT_LOGIN, 0, "not shared with everyone"},
                 {HUB_FAULT_STATUS, 403, "not public"},
                 {HUB_FAULT_STATUS, 404, "no such file"},
                 {HUB_FAULT_STATUS, 429, "wait some minutes"}};

    for (gsize i = 0; i < G_N_ELEMENTS(cases); i++) {
        hub_stand_in_set_fault(fixture->hub, "weights.bin", cases[i].fault, 99, cases[i].status);
        g_autofree char *error = download(fixture, &on_drive);
        g_assert_nonnull(strstr(error, cases[i].says));
        g_assert_null(strstr(error, "HF_TOKEN"));
    }
    assert_no_file(fixture, "drive/weights.bin");
    hub_stand_in_set_fault(fixture->hub, "weights.bin", HUB_FAULT_CUT, 2, 0);
    g_assert_null(download(fixture, &on_drive));
    assert_file(fixture, "drive/weights.bin", N_BYTES);
}

static void
test_drive_archive(Fixture *fixture, gconstpointer token)
{
    g_autoptr(GBytes) zip = make_zip("train_log/weights.bin");

    hub_stand_in_set_bytes(fixture->hub, "weights.bin", zip);
    g_assert_null(download(fixture, &on_drive));
    assert_file(fixture, "drive/weights.bin", N_BYTES);
    assert_no_file(fixture, "drive/weights.bin.download");
    assert_no_file(fixture, "drive/train_log");
}

static void
test_drive_archive_damaged(Fixture *fixture, gconstpointer token)
{
    g_autoptr(GBytes) zip = make_zip("weights.bin");
    gsize n_bytes = 0;
    g_autofree guint8 *bytes = g_memdup2(g_bytes_get_data(zip, &n_bytes), g_bytes_get_size(zip));
    g_autoptr(GBytes) damaged = NULL;

    bytes[n_bytes / 2] ^= 0x55;
    damaged = g_bytes_new(bytes, n_bytes);
    hub_stand_in_set_bytes(fixture->hub, "weights.bin", damaged);
    g_autofree char *error = download(fixture, &on_drive);
    g_assert_nonnull(strstr(error, "damaged"));
    assert_no_file(fixture, "drive/weights.bin");
    assert_no_file(fixture, "drive/weights.bin.incomplete");
    assert_no_file(fixture, "drive/weights.bin.download");
}

/* Every byte of an archive's headers may lie; nothing is read or written outside. */
static void
test_unzip_lies(void)
{
    g_autoptr(GBytes) zip = make_zip("a/weights.bin");
    gsize n_bytes = 0;
    g_autofree guint8 *bytes = g_memdup2(g_bytes_get_data(zip, &n_bytes), g_bytes_get_size(zip));
    int fd = g_open("/dev/null", O_WRONLY, 0);

    for (gsize at = n_bytes - 90; at < n_bytes; at++) {
        for (guint value = 0; value < 256; value += 51) {
            const guint8 kept = bytes[at];
            bytes[at] = (guint8)value;
            g_autoptr(ScopeUnzip) archive = scope_unzip_open(bytes, n_bytes);
            const ScopeUnzipEntry *entry =
                archive ? scope_unzip_find(archive, "weights.bin") : NULL;
            if (entry)
                scope_unzip_extract(archive, entry, fd, NULL);
            bytes[at] = kept;
        }
    }
    close(fd);
    g_assert_null(scope_unzip_open(bytes, 10));
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
    ADD("listing-is-asked-again", test_listing_is_asked_again);
    ADD("disk-full", test_disk_full);
    ADD("checksum-in-name", test_checksum_in_name);
    ADD("drive", test_drive);
    ADD("drive-confirmation", test_drive_confirmation);
    ADD("drive-refusals", test_drive_refusals);
    ADD("drive-archive", test_drive_archive);
    ADD("drive-archive-damaged", test_drive_archive_damaged);
    ADD("cancel-and-resume", test_cancel_and_resume);
#undef ADD
    g_test_add_func("/downloads/unzip-lies", test_unzip_lies);
    return g_test_run();
}
