// SPDX-License-Identifier: Apache-2.0
// Shapes of the HTTP contract, as far as the UI reads them. Members that older servers leave out
// are optional; unknown members are ignored.

export type Mode = 'text' | 'video';
export type Json = null | boolean | number | string | Json[] | { [key: string]: Json };
export type Values = Record<string, unknown>;

export interface Health {
  status: string;
  timestamp?: string;
  server_start_time?: number;
  version?: string;
  git_commit?: string;
}

export interface HardwareInfo {
  vram_gb?: number | null;
  gpu_name?: string | null;
  cpu_name?: string | null;
  cpu_count?: number | null;
  total_ram_mb?: number | null;
}

export interface UiHints {
  category?: 'configuration' | 'input';
  is_load_param?: boolean;
  order?: number;
  component?: string;
  modes?: string[];
  label?: string;
  /** Step of the control, where the schema knows a better one than its range gives. */
  step?: number;
  unit?: string;
}

export interface SchemaProperty {
  type?: string;
  title?: string;
  description?: string;
  default?: unknown;
  minimum?: number;
  maximum?: number;
  multipleOf?: number;
  enum?: unknown[];
  const?: unknown;
  items?: SchemaProperty;
  maxItems?: number;
  anyOf?: SchemaProperty[];
  $ref?: string;
  ui?: UiHints;
}

export interface ConfigSchema {
  type?: string;
  title?: string;
  properties?: Record<string, SchemaProperty>;
  $defs?: Record<string, SchemaProperty>;
}

export interface PipelineSchema {
  id: string;
  name: string;
  description: string;
  version: string;
  docs_url?: string | null;
  estimated_vram_gb?: number | null;
  /** What a frame costs without a GPU at the default size; servers of ours tell. */
  estimated_cpu_seconds_per_frame?: number | null;
  requires_models?: boolean;
  supported_modes?: Mode[];
  default_mode?: Mode;
  mode_defaults?: Partial<Record<Mode, Values>>;
  supports_prompts?: boolean;
  default_temporal_interpolation_method?: 'linear' | 'slerp' | null;
  default_temporal_interpolation_steps?: number | null;
  default_spatial_interpolation_method?: 'linear' | 'slerp' | null;
  supports_lora?: boolean;
  supports_vace?: boolean;
  supports_cache_management?: boolean;
  supports_kv_cache_bias?: boolean;
  supports_quantization?: boolean;
  min_dimension?: number;
  recommended_quantization_vram_threshold?: number | null;
  produces_video?: boolean;
  produces_audio?: boolean;
  usage?: string[];
  config_schema?: ConfigSchema;
  plugin_name?: string | null;
  schema_error?: string;
}

export interface PipelineStatus {
  status: 'not_loaded' | 'loading' | 'loaded' | 'error' | 'idle' | 'unloading';
  error?: string | null;
  loading_stage?: string | null;
  produces_video?: boolean;
  produces_audio?: boolean;
}

export interface LoadItem {
  node_id: string;
  pipeline_id: string;
  load_params: Values;
}

export interface DownloadProgress {
  is_downloading: boolean;
  /** Of the artifact in progress. */
  percentage?: number;
  current_artifact?: string | null;
  error?: string | null;
  /** Bytes of that artifact on disk, and its size; servers of ours tell. */
  downloaded_bytes?: number | null;
  total_bytes?: number | null;
}

export interface ModelStatus {
  downloaded: boolean;
  progress?: DownloadProgress | null;
  /** Artifacts with missing files, their folder and its free space; servers of ours tell. */
  missing?: string[];
  folder?: string | null;
  free_bytes?: number | null;
}

export interface LoraFile {
  name: string;
  /** The value that names the file in requests. */
  path: string;
  size_mb: number;
  folder?: string | null;
}

export type AssetType = 'image' | 'video' | 'audio';

export interface Asset {
  name: string;
  path: string;
  size_mb: number;
  folder?: string | null;
  type: AssetType;
  created_at: number;
}

export interface IceServer {
  urls: string | string[];
  username?: string | null;
  credential?: string | null;
}

export interface OfferAnswer {
  sdp: string;
  type: 'answer';
  sessionId: string;
}

export interface Candidate {
  candidate: string;
  sdpMid: string | null;
  sdpMLineIndex: number | null;
}

export interface LogTail {
  lines: string[];
  offset: number;
}

export interface ParameterError {
  parameter: string;
  message: string;
  allowed?: unknown;
}

export type ServerMessage =
  | { type: 'stream_stopped'; error_message?: string }
  | { type: 'chunk_error'; error_message: string }
  | { type: 'parameters_updated'; parameters: Values }
  | { type: 'parameter_error'; errors: ParameterError[] };

export interface PromptItem {
  text: string;
  weight: number;
}
