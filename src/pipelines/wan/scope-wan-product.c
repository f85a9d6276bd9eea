/* SPDX-License-Identifier: Apache-2.0 */
/* Files of the streaming pipelines. Constant data and look-ups, any thread. */
#include "pipelines/wan/scope-wan-product.h"

const char *const scope_wan_files_1_3b[] = {"config.json", "Wan2.1_VAE.pth", "google", NULL};
const char *const scope_wan_files_umt5[] = {"config.json", "umt5-xxl-enc-fp8_e4m3fn.safetensors",
                                            NULL};
const char *const scope_wan_files_vace_1_3b[] = {SCOPE_WAN_VACE_1_3B, NULL};
const char *const scope_wan_files_vace_14b[] = {SCOPE_WAN_VACE_14B, NULL};
const char *const scope_wan_files_lightvae[] = {"config.json", "lightvaew2_1.pth", NULL};
const char *const scope_wan_files_tae[] = {"taew2_1.pth", NULL};
const char *const scope_wan_files_lighttae[] = {"lighttaew2_1.pth", NULL};

char *
scope_wan_product_dup_path(const ScopeWanProduct *self, const ScopeHost *host, const char *name)
{
    if (self->own != NULL) {
        return g_build_filename(host->share_dir != NULL ? host->share_dir : "", self->own, name,
                                NULL);
    }
    return g_build_filename(host->models_dir, name, NULL);
}

ScopeWanVaeType
scope_wan_product_get_vae_type(const ScopeWanProduct *self, const ScopeWanParams *params)
{
    return self->has_one_vae ? self->vae : (ScopeWanVaeType)params->vae_type;
}

gboolean
scope_wan_product_wants_vace(const ScopeWanProduct *self, const ScopeWanParams *params)
{
    return self->vace != NULL && params->vace_enabled;
}

static gboolean
check_file(const ScopeWanProduct *self, const ScopeHost *host, const char *name, GError **error)
{
    g_autofree char *path = scope_wan_product_dup_path(self, host, name);

    if (g_file_test(path, G_FILE_TEST_EXISTS)) {
        return TRUE;
    }
    if (self->own != NULL) {
        g_set_error(error, SCOPE_PIPELINE_ERROR, SCOPE_PIPELINE_ERROR_MISSING_FILE,
                    "%s needs the file %s, which came with the program and is gone; install the "
                    "program again",
                    self->id, path);
        return FALSE;
    }
    g_set_error(error, SCOPE_PIPELINE_ERROR, SCOPE_PIPELINE_ERROR_MISSING_FILE,
                "%s needs the file %s, which is not there; get it with: scope models download %s",
                self->id, path, self->id);
    return FALSE;
}

gboolean
scope_wan_product_check_files(const ScopeWanProduct *self, const ScopeHost *host,
                              const ScopeWanParams *params, GError **error)
{
    ScopeWanVaeType vae = scope_wan_product_get_vae_type(self, params);
    const char *const names[] = {
        self->config,       self->weights,
        self->adapter,      scope_wan_product_wants_vace(self, params) ? self->vace : NULL,
        self->text_encoder, self->tokenizer,
        self->vaes[vae],
    };

    if (self->vaes[vae] == NULL) {
        g_set_error(error, SCOPE_PIPELINE_ERROR, SCOPE_PIPELINE_ERROR_INVALID,
                    "%s has no autoencoder of type \"%s\"", self->id, scope_wan_vae_types[vae]);
        return FALSE;
    }
    for (guint i = 0; i < G_N_ELEMENTS(names); i++) {
        if (names[i] != NULL && !check_file(self, host, names[i], error)) {
            return FALSE;
        }
    }
    return TRUE;
}
