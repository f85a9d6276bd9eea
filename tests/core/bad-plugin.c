/* SPDX-License-Identifier: Apache-2.0 */
/* Plugins that are wrong in one way each; BAD_KIND chooses the way. 0 is a good one. */
#include <scope/scope.h>

#define BAD_NONE        0
#define BAD_ABI         1
#define BAD_SIZE        2
#define BAD_CALLBACK    3
#define BAD_TABLE       4
#define BAD_SILENT_INIT 5
#define BAD_AFTER_GOOD  6
#define BAD_NULL        7

typedef struct {
    gint64 value;
} Params;

static const ScopeParamDesc params[] = {
    SCOPE_PARAM_INT(Params, value, "1",
                    .help = BAD_KIND == BAD_TABLE ? "no full stop" : "A value."),
};

static gboolean
plugin_load(const ScopeHost *host, const void *values, ScopeLoadProgress *progress,
            gpointer *ret_instance, GError **error)
{
    return TRUE;
}

static void
plugin_unload(gpointer instance)
{
}

static guint32
plugin_prepare(gpointer stream, const ScopeCall *call)
{
    return 1;
}

static gboolean
plugin_process(gpointer stream, const ScopeCall *call, GError **error)
{
    return TRUE;
}

#define DESC(id_, ...)                                                                             \
    {                                                                                              \
        .abi_version = SCOPE_ABI_VERSION, .size = sizeof(ScopePipelineDesc), .id = id_,            \
        .name = "Bad", .description = "For tests.", .version = "1.0.0",                            \
        .schema_title = "BadConfig", .modes = SCOPE_MODES_BOTH, .default_mode = SCOPE_MODE_TEXT,   \
        .min_dimension = 1, .input_formats = SCOPE_FRAME_FORMAT_BIT(SCOPE_FRAME_FORMAT_RGB24),     \
        .params = params, .n_params = G_N_ELEMENTS(params), .params_size = sizeof(Params),         \
        .load = plugin_load, .unload = plugin_unload, .prepare = plugin_prepare,                   \
        .process = plugin_process, __VA_ARGS__                                                     \
    }

static const ScopePipelineDesc good_desc = DESC("from-plugin", .docs_url = NULL);
static ScopePipelineDesc bad_desc = DESC("bad", .docs_url = NULL);

SCOPE_EXPORT gboolean scope_plugin_init(const ScopeHost *host, ScopeRegister register_pipeline,
                                        gpointer context, GError **error);

SCOPE_EXPORT gboolean
scope_plugin_init(const ScopeHost *host, ScopeRegister register_pipeline, gpointer context,
                  GError **error)
{
    if (BAD_KIND == BAD_NONE || BAD_KIND == BAD_AFTER_GOOD) {
        if (!register_pipeline(context, &good_desc, error))
            return FALSE;
    }
    if (BAD_KIND == BAD_NONE)
        return TRUE;
    if (BAD_KIND == BAD_SILENT_INIT)
        return FALSE;
    if (BAD_KIND == BAD_NULL)
        return register_pipeline(context, NULL, error);
    if (BAD_KIND == BAD_ABI)
        bad_desc.abi_version = 99;
    if (BAD_KIND == BAD_SIZE)
        bad_desc.size = 8;
    if (BAD_KIND == BAD_CALLBACK || BAD_KIND == BAD_AFTER_GOOD)
        bad_desc.process = NULL;
    return register_pipeline(context, &bad_desc, error);
}
