/* SPDX-License-Identifier: Apache-2.0 */
/* Names of adapters and pictures: found in their folders, absolute or relative, and never outside.
 * Main thread. */
#include <glib/gstdio.h>
#include <string.h>

#include "core/scope-frame.h"
#include "media/scope-media.h"
#include "media/scope-thumbnail.h"
#include "server/scope-services.h"

typedef struct {
    char *folder, *lora, *shared, *assets, *bundled;
    ScopeServices services;
} Fixture;

static void
write_file(const char *folder, const char *name, const void *data, gssize size)
{
    g_autofree char *path = g_build_filename(folder, name, NULL);

    g_assert_true(g_file_set_contents(path, data, size, NULL));
}

static void
write_picture(const char *folder, const char *name)
{
    ScopeFrame *frame = scope_frame_new(SCOPE_FRAME_FORMAT_RGB24, 20, 10);
    g_autoptr(GError) error = NULL;
    g_autoptr(GBytes) bytes = NULL;

    memset(frame->data[0], 200, (gsize)frame->stride[0] * frame->height);
    bytes = scope_image_encode(frame, SCOPE_IMAGE_FORMAT_PNG, &error);
    g_assert_no_error(error);
    scope_frame_unref(frame);
    write_file(folder, name, g_bytes_get_data(bytes, NULL), (gssize)g_bytes_get_size(bytes));
}

static char *
make_folder(const char *root, const char *name)
{
    char *path = g_build_filename(root, name, NULL);

    g_assert_cmpint(g_mkdir_with_parents(path, 0700), ==, 0);
    return path;
}

static void
set_up(Fixture *f, gconstpointer data)
{
    f->folder = g_dir_make_tmp("scope-services-XXXXXX", NULL);
    f->lora = make_folder(f->folder, "lora");
    f->shared = make_folder(f->folder, "shared");
    f->assets = make_folder(f->folder, "assets");
    f->bundled = make_folder(f->folder, "share/lora");
    write_file(f->lora, "own.safetensors", "x", 1);
    write_file(f->shared, "all.safetensors", "x", 1);
    write_file(f->bundled, "came.safetensors", "x", 1);
    write_file(f->folder, "secret", "x", 1);
    write_file(f->assets, "broken.png", "no picture", -1);
    write_picture(f->assets, "red.png");
    write_picture(f->folder, "outside.png");
    f->services =
        (ScopeServices){.lora_dir = f->lora, .lora_shared_dir = f->shared, .assets_dir = f->assets};
    g_autofree char *share = g_build_filename(f->folder, "share", NULL);
    scope_services_init(&f->services, f->folder, g_intern_string(share));
}

static void
tear_down(Fixture *f, gconstpointer data)
{
    static const char *const names[] = {"lora/own.safetensors",
                                        "lora",
                                        "shared/all.safetensors",
                                        "shared",
                                        "assets/broken.png",
                                        "assets/red.png",
                                        "assets",
                                        "share/lora/came.safetensors",
                                        "share/lora",
                                        "share",
                                        "secret",
                                        "outside.png"};

    for (guint i = 0; i < G_N_ELEMENTS(names); i++) {
        g_autofree char *path = g_build_filename(f->folder, names[i], NULL);
        g_assert_cmpint(g_remove(path), ==, 0);
    }
    g_rmdir(f->folder);
    g_free(f->folder);
    g_free(f->lora);
    g_free(f->shared);
    g_free(f->assets);
    g_free(f->bundled);
}

static void
test_adapters(Fixture *f, gconstpointer data)
{
    const ScopeHost *host = &f->services.host;
    g_autofree char *absolute = g_build_filename(f->shared, "all.safetensors", NULL);
    g_autofree char *secret = g_build_filename(f->folder, "secret", NULL);
    const char *const found[] = {"own.safetensors", "all.safetensors", "came.safetensors",
                                 absolute};
    const char *const refused[] = {"gone.safetensors", "../secret", secret, "", "."};

    for (guint i = 0; i < G_N_ELEMENTS(found); i++) {
        g_autoptr(GError) error = NULL;
        g_autofree char *path = host->lora_path(host, found[i], &error);
        g_assert_no_error(error);
        g_assert_true(g_file_test(path, G_FILE_TEST_IS_REGULAR));
    }
    for (guint i = 0; i < G_N_ELEMENTS(refused); i++) {
        g_autoptr(GError) error = NULL;
        g_assert_null(host->lora_path(host, refused[i], &error));
        g_assert_error(error, SCOPE_PIPELINE_ERROR, SCOPE_PIPELINE_ERROR_MISSING_FILE);
    }
}

static void
test_pictures(Fixture *f, gconstpointer data)
{
    const ScopeHost *host = &f->services.host;
    g_autofree char *absolute = g_build_filename(f->assets, "red.png", NULL);
    g_autofree char *outside = g_build_filename(f->folder, "outside.png", NULL);
    const char *const found[] = {"red.png", absolute};
    const char *const refused[] = {"gone.png", "../outside.png", outside};
    g_autoptr(GError) error = NULL;

    for (guint i = 0; i < G_N_ELEMENTS(found); i++) {
        ScopeFrame *frame = host->image_load(host, found[i], &error);
        g_assert_no_error(error);
        g_assert_cmpuint(frame->width, ==, 20);
        g_assert_cmpuint(frame->format, ==, SCOPE_FRAME_FORMAT_RGB24);
        scope_frame_unref(frame);
    }
    for (guint i = 0; i < G_N_ELEMENTS(refused); i++) {
        g_autoptr(GError) missing = NULL;
        g_assert_null(host->image_load(host, refused[i], &missing));
        g_assert_error(missing, SCOPE_PIPELINE_ERROR, SCOPE_PIPELINE_ERROR_MISSING_FILE);
    }
    g_assert_null(host->image_load(host, "broken.png", &error));
    g_assert_nonnull(strstr(error->message, "broken.png"));
}

int
main(int argc, char **argv)
{
    int status;

    g_test_init(&argc, &argv, NULL);
    g_assert_true(scope_media_init(NULL));
    g_test_add("/services/adapters", Fixture, NULL, set_up, test_adapters, tear_down);
    g_test_add("/services/pictures", Fixture, NULL, set_up, test_pictures, tear_down);
    status = g_test_run();
    scope_media_shut_down();
    return status;
}
