/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Built-in files and the two pages that are made from them. The pages are made once and kept for
 * the life of the process. Main thread only.
 */
#include "server/scope-ui.h"

#include <string.h>

#include "core/scope-json.h"
#include "server/scope-server-resources.h"
#include "server/scope-server.h"

#define OPENAPI_RESOURCE "/org/scope/server/openapi.json"

typedef struct {
    const char *extension;
    const char *content_type;
} ContentType;

static const ContentType content_types[] = {
    {".html", "text/html; charset=utf-8"},
    {".js", "application/javascript"},
    {".mjs", "application/javascript"},
    {".css", "text/css; charset=utf-8"},
    {".json", "application/json"},
    {".map", "application/json"},
    {".webmanifest", "application/manifest+json"},
    {".png", "image/png"},
    {".jpg", "image/jpeg"},
    {".jpeg", "image/jpeg"},
    {".gif", "image/gif"},
    {".svg", "image/svg+xml"},
    {".webp", "image/webp"},
    {".ico", "image/x-icon"},
    {".mp4", "video/mp4"},
    {".webm", "video/webm"},
    {".wasm", "application/wasm"},
    {".woff", "font/woff"},
    {".woff2", "font/woff2"},
    {".ttf", "font/ttf"},
    {".eot", "application/vnd.ms-fontobject"},
    {".txt", "text/plain; charset=utf-8"},
};

static const char page_head[] =
    "<!doctype html><html lang=\"en\"><head><meta charset=\"utf-8\">"
    "<meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">"
    "<title>Scope</title><style>"
    ":root{color-scheme:dark}body{margin:0 auto;max-width:60rem;padding:2rem 1rem;"
    "font:15px/1.5 system-ui,sans-serif;background:#111417;color:#d8dee4}"
    "h1{font-size:1.5rem}h2{margin-top:2.5rem;font-size:1.1rem;text-transform:capitalize}"
    "code,pre{font-family:ui-monospace,monospace;font-size:13px}a{color:#7fb2ff}"
    "details{border-top:1px solid #262c33;padding:.5rem 0}summary{cursor:pointer}"
    ".m{display:inline-block;width:4.5rem;font-weight:600}.later{opacity:.55}"
    "pre{background:#181c21;padding:.8rem;overflow:auto;border-radius:6px}</style></head><body>";

gboolean
scope_ui_is_built(void)
{
    g_autoptr(GBytes) index = scope_ui_lookup("index.html");

    return index != NULL;
}

GBytes *
scope_ui_lookup(const char *path)
{
    g_autofree char *full = g_strconcat(SCOPE_SERVER_UI_RESOURCE, "/", path, NULL);

    return g_resources_lookup_data(full, G_RESOURCE_LOOKUP_FLAGS_NONE, NULL);
}

const char *
scope_ui_get_content_type(const char *path)
{
    const char *dot = strrchr(path, '.');

    for (gsize i = 0; dot && i < G_N_ELEMENTS(content_types); i++) {
        if (g_ascii_strcasecmp(dot, content_types[i].extension) == 0) {
            return content_types[i].content_type;
        }
    }
    return "application/octet-stream";
}

GBytes *
scope_ui_get_openapi(void)
{
    static GBytes *document;

    if (!document) {
        document = g_resource_lookup_data(scope_server_resources_get_resource(), OPENAPI_RESOURCE,
                                          G_RESOURCE_LOOKUP_FLAGS_NONE, NULL);
    }
    return document;
}

static void
append_escaped(GString *page, const char *format, const char *text)
{
    g_autofree char *escaped = g_markup_escape_text(text ? text : "", -1);
    g_auto(GStrv) parts = g_strsplit(format, "%s", 2);

    g_string_append(page, parts[0]);
    g_string_append(page, escaped);
    g_string_append(page, parts[1] ? parts[1] : "");
}

static void
append_json(GString *page, const char *title, JsonNode *node)
{
    g_autofree char *text = node ? json_to_string(node, TRUE) : NULL;

    if (text) {
        append_escaped(page, "<p>%s</p>", title);
        append_escaped(page, "<pre>%s</pre>", text);
    }
}

static void
append_operation(GString *page, const char *method, const char *path, JsonObject *operation)
{
    g_autofree char *upper = g_ascii_strup(method, -1);
    const char *state = scope_json_object_get_string(operation, "x-state");
    gboolean is_later = g_strcmp0(state, "later") == 0;

    g_string_append_printf(page, "<details%s><summary>", is_later ? " class=\"later\"" : "");
    append_escaped(page, "<span class=\"m\">%s</span>", upper);
    append_escaped(page, "<code>%s</code> ", path);
    append_escaped(page, " %s", scope_json_object_get_string(operation, "summary"));
    g_string_append(page, is_later ? " (later: answers 501)</summary>" : "</summary>");
    if (json_object_has_member(operation, "description")) {
        append_escaped(page, "<p>%s</p>", scope_json_object_get_string(operation, "description"));
    }
    append_json(page, "Parameters", json_object_get_member(operation, "parameters"));
    append_json(page, "Request body", json_object_get_member(operation, "requestBody"));
    append_json(page, "Replies", json_object_get_member(operation, "responses"));
    g_string_append(page, "</details>");
}

static void
append_tag(GString *page, JsonObject *paths, const char *tag)
{
    JsonObjectIter path_iter;
    const char *path;
    JsonNode *path_node;

    append_escaped(page, "<h2>%s</h2>", tag);
    json_object_iter_init_ordered(&path_iter, paths);
    while (json_object_iter_next_ordered(&path_iter, &path, &path_node)) {
        JsonObjectIter iter;
        const char *method;
        JsonNode *node;
        json_object_iter_init_ordered(&iter, json_node_get_object(path_node));
        while (json_object_iter_next_ordered(&iter, &method, &node)) {
            JsonObject *operation = json_node_get_object(node);
            JsonArray *tags = scope_json_object_get_array(operation, "tags");
            if (tags && g_strcmp0(json_array_get_string_element(tags, 0), tag) == 0) {
                append_operation(page, method, path, operation);
            }
        }
    }
}

GBytes *
scope_ui_get_docs_page(void)
{
    static GBytes *bytes;
    GBytes *document = scope_ui_get_openapi();
    g_autoptr(JsonObject) root = NULL;
    JsonObject *components;
    JsonArray *tags;
    GString *page;

    if (bytes) {
        return bytes;
    }
    root = scope_json_parse_object(g_bytes_get_data(document, NULL),
                                   (gssize)g_bytes_get_size(document), 0, NULL);
    page = g_string_new(page_head);
    g_string_append(page, "<h1>Scope: HTTP interface</h1><p>The same as a document for machines: "
                          "<a href=\"/openapi.json\">/openapi.json</a></p>");
    tags = root ? scope_json_object_get_array(root, "tags") : NULL;
    for (guint i = 0; tags && i < json_array_get_length(tags); i++) {
        append_tag(page, scope_json_object_get_object(root, "paths"),
                   scope_json_object_get_string(json_array_get_object_element(tags, i), "name"));
    }
    components = root ? scope_json_object_get_object(root, "components") : NULL;
    if (components) {
        g_string_append(page, "<h2>Schemas</h2><details><summary>All of them</summary>");
        append_json(page, "", json_object_get_member(components, "schemas"));
        g_string_append(page, "</details>");
    }
    g_string_append(page, "</body></html>");
    bytes = g_string_free_to_bytes(page);
    return bytes;
}

GBytes *
scope_ui_get_placeholder(void)
{
    static GBytes *bytes;
    GString *page;

    if (!bytes) {
        page = g_string_new(page_head);
        g_string_append(
            page, "<h1>Scope is running</h1><p>This binary was built without the web UI. To have "
                  "it, install Node.js and npm, run <code>make build</code> in the source folder, "
                  "and start Scope again.</p><p>The HTTP interface works: "
                  "<a href=\"/docs\">description</a>, <a href=\"/health\">health</a>.</p>"
                  "</body></html>");
        bytes = g_string_free_to_bytes(page);
    }
    return bytes;
}
