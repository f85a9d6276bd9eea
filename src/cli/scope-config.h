/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Where things lie and what the server listens on: command-line options over environment variables
 * over defaults. Resolved once at start, on the main thread.
 */
#ifndef SCOPE_CONFIG_H
#define SCOPE_CONFIG_H

#include <glib.h>

G_BEGIN_DECLS

/**
 * ScopeConfig:
 * @host: address to bind
 * @port: 0 = choose a free one
 * @data_dir: base folder; onboarding, tokens and settings lie here
 * @models_dir: model files
 * @lora_dir: LoRA files
 * @lora_shared_dir: (nullable): second, read-only LoRA folder
 * @assets_dir: uploads
 * @logs_dir: log files
 * @plugins_dir: plugins that the user installed
 * @bundled_plugins_dir: (nullable): plugins that came with the program
 * @share_dir: other files that came with the program: models and adapters
 * @pipeline: (nullable): id of the pipeline to load at start
 * @log_level: (nullable): one of error, warning, info, debug, trace
 * @device: (nullable): name of the device that models run on
 * @auth_token: (nullable): bearer token that clients must show
 * @ice_address: (nullable): the only address that ICE uses
 * @allowed_hosts: (nullable) (array zero-terminated=1): further Host names that are accepted
 * @allowed_origins: (nullable) (array zero-terminated=1): further origins of pages that are
 * accepted
 * @ice_servers: (nullable): JSON array of {urls, username, credential}
 * @record_log: whether a log of each session is written for `scope replay`
 * @record_input: the same, and the video that sessions are fed with is kept beside it
 * @replay_dir: where those logs go
 * @no_browser: whether opening a browser is left to the user
 *
 * Plain values; every string is owned by the struct.
 */
typedef struct {
    char *host;
    int port;
    char *data_dir;
    char *models_dir;
    char *lora_dir;
    char *lora_shared_dir;
    char *assets_dir;
    char *logs_dir;
    char *plugins_dir;
    char *bundled_plugins_dir;
    char *share_dir;
    char *pipeline;
    char *log_level;
    char *device;
    char *auth_token;
    char *ice_address;
    char **allowed_hosts;
    char **allowed_origins;
    char *ice_servers;
    gboolean record_log;
    gboolean record_input;
    char *replay_dir;
    gboolean no_browser;
} ScopeConfig;

/**
 * scope_config_resolve:
 * @config: caller's memory; members that options did not set are %NULL
 *
 * Fills what is %NULL from the environment (docs/env.md) and from defaults, expands `~` and makes
 * paths absolute.
 *
 * Thread: main.
 */
void scope_config_resolve(ScopeConfig *config);

/**
 * scope_config_clear:
 * @config: caller's memory
 *
 * Frees the strings and zeroes the struct. Thread: main.
 */
void scope_config_clear(ScopeConfig *config);

G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(ScopeConfig, scope_config_clear)

G_END_DECLS

#endif
