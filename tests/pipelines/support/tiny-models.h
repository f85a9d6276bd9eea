/* SPDX-License-Identifier: Apache-2.0 */
/* Model folders with tiny random networks under the published names, so that every streaming
 * pipeline loads and runs in milliseconds. One thread. */
#pragma once

#include <glib.h>

G_BEGIN_DECLS

/** TINY_MODELS_SIZE: a picture size that every tiny pipeline makes quickly, in pixels. */
#define TINY_MODELS_SIZE 64

/** tiny_models_write: all files of the five published pipelines below @models_dir, and two adapters
 * `style.safetensors` and `other.safetensors` in its folder `lora`. */
void tiny_models_write(const char *models_dir);

/** tiny_models_write_mini: the files of `mini` in @share_dir/mini. */
void tiny_models_write_mini(const char *share_dir);

/** tiny_models_remove: a folder and all below it. */
void tiny_models_remove(const char *folder);

G_END_DECLS
