// SPDX-License-Identifier: Apache-2.0
// Joins the stores to the session: builds the plan from the settings, starts and stops, sends what
// the user changes, and follows what the server reports.
import { fitAspect, sizeMultiple, type Size } from '../schema/resolution';
import { fieldName, toField, visibleFields, wireName, words } from '../schema/fields';
import { frameMessage, NO_IMAGES, referenceMessage, type Images } from '../schema/images';
import { isLive as isLiveLora, scaleMessage, type Lora } from '../schema/loras';
import {
  activePrompts,
  promptMessage,
  remember,
  transitionDefaults,
  transitionSteps,
  type PromptSettings,
} from '../schema/prompts';
import type { TimelineSettings } from '../schema/timeline';
import { loadParams, modeOf, runtimeValues, sameValue, valueOf } from '../schema/values';
import { httpClient } from '../session/client';
import { PeerConnection } from '../session/connection';
import type { ControllerState } from '../session/controller-input';
import { Lifecycle } from '../session/lifecycle';
import { isAtRest, isLive } from '../session/machine';
import { Outbox } from '../session/outbox';
import { chainOf, makePlan, type ChainNode, type Plan, type PlanInput } from '../session/plan';
import { NO_STATS, StatsMeter } from '../session/stats';
import type { Mode, ParameterError, PipelineSchema, ServerMessage, Values } from '../session/types';
import { choosePipeline, loadSchemas, useServer } from './server';
import {
  clearOverrides,
  setImages,
  setLoras,
  setOverride,
  setPrompts,
  useSettings,
  valuesKey,
} from './settings';
import { useSession } from './session';
import { addFigures, clearFigures, readServerFigures } from './figures';
import { prepare } from './preflight';
import { beginRecording, recordChange, recordPrompts } from './recorder';
import { acquireTrack, onFileSize, onTrack } from './source';
import { notify } from './toasts';

const outbox = new Outbox();

/** The pipeline in the picker, or null while none is known. */
export function chosenPipeline(): PipelineSchema | null {
  return choosePipeline(useServer.getState().schemas, useSettings.getState().pipelineId);
}

export function chosenMode(schema: PipelineSchema): Mode {
  return modeOf(schema, useSettings.getState().modes[schema.id]);
}

function planInput(): PlanInput {
  const main = chosenPipeline();
  if (!main) throw new Error('The server offers no pipeline.');
  const settings = useSettings.getState();
  const { schemas, hardware } = useServer.getState();
  return {
    main,
    mode: chosenMode(main),
    schemas,
    pre: settings.pre[main.id] ?? [],
    post: settings.post[main.id] ?? [],
    overridesOf: (id, mode) => settings.overrides[valuesKey(id, mode)] ?? {},
    prompts: settings.prompts,
    hardware,
    loras: settings.loras,
    images: settings.images,
  };
}

export function currentPlan(): Plan {
  return makePlan(planInput());
}

export function currentChain(): ChainNode[] {
  return chosenPipeline() ? chainOf(planInput()) : [];
}

export function mainNode(): ChainNode | null {
  return currentChain().find((node) => node.role === 'main') ?? null;
}

/** What a session that begins now is made with, for its recording. */
function settingsNow(): TimelineSettings {
  const node = mainNode();
  if (!node) return { pipelineId: null, mode: null, values: {}, loras: [] };
  const { schema, mode } = node;
  const keys = visibleFields(schema, mode)
    .filter((field) => field.kind !== 'json')
    .map((field) => field.key);
  const values = Object.fromEntries(keys.map((key) => [key, valueFor(schema, mode, key)]));
  const loras = schema.supports_lora ? (useSettings.getState().loras[schema.id] ?? []) : [];
  return { pipelineId: schema.id, mode, values, loras };
}

/** Tells the chain's main pipeline, and the recording. */
function tell(values: Values): void {
  outbox.set(values);
  recordChange(values);
}

function onMessage(message: ServerMessage): void {
  switch (message.type) {
    case 'stream_stopped':
      if (message.error_message) notify('error', 'The stream ended', message.error_message);
      else notify('info', 'The server ended the stream');
      break;
    case 'chunk_error':
      notify('error', 'A part of the video could not be made', message.error_message);
      break;
    case 'parameters_updated':
      follow(message.parameters);
      break;
    case 'parameter_error':
      for (const error of message.errors ?? []) refuse(error);
      break;
    default:
      break;
  }
}

/** Another client changed values: the controls follow without sending them back. */
function follow(parameters: Values): void {
  const schema = chosenPipeline();
  if (!schema) return;
  const { node_id: nodeId, ...values } = parameters;
  const node = currentChain().find((entry) =>
    typeof nodeId === 'string' ? entry.nodeId === nodeId : entry.role === 'main',
  );
  if (!node) return;
  const known = Object.entries(values)
    .map(([key, value]): [string, unknown] => [fieldName(key), value])
    .filter(([key]) => node.schema.config_schema?.properties?.[key] !== undefined);
  setOverride(node.schema.id, node.mode, Object.fromEntries(known));
  if (node.role === 'main') outbox.assume(values);
  const prompts = values['prompts'];
  if (Array.isArray(prompts) && prompts.length > 0) {
    const items = (prompts as unknown[]).map((item) =>
      typeof item === 'string'
        ? { text: item, weight: 100 }
        : { weight: 100, ...(item as { text: string; weight?: number }) },
    );
    setPrompts({ items });
  }
}

function refuse(error: ParameterError): void {
  const schema = chosenPipeline();
  if (!schema) return;
  // Members of lists and objects are named by a path; the control is that of its first part.
  const wire = error.parameter.replace(/^[/.]/, '').split(/[./[]/)[0] ?? error.parameter;
  const key = fieldName(wire);
  const property = schema.config_schema?.properties?.[key];
  const label = property ? toField(key, property, schema.config_schema ?? {}).label : words(key);
  const allowed =
    error.allowed === undefined
      ? ''
      : ` Allowed: ${typeof error.allowed === 'string' ? error.allowed : JSON.stringify(error.allowed)}.`;
  const text = `${error.message}${allowed}`;
  useSession.setState((data) => ({ fieldErrors: { ...data.fieldErrors, [key]: text } }));
  notify('error', `${label} was not changed`, text);
  if (!property) return;
  const mode = chosenMode(schema);
  const inForce = outbox.reject(wire);
  if (inForce === undefined) clearOverrides(schema.id, mode, [key]);
  else setOverride(schema.id, mode, { [key]: inForce });
}

export const lifecycle = new Lifecycle({
  client: httpClient,
  open: (options) => PeerConnection.open(options),
  outbox,
  plan: currentPlan,
  prepare,
  acquireTrack,
  reloadServer: () => loadSchemas(),
  onState: (state) => {
    useSession.setState(
      isLive(state.phase) ? { state } : { state, stats: NO_STATS, hasPicture: false },
    );
  },
  onStream: (stream) => useSession.setState({ stream }),
  onLoaded: (items, status) => {
    const texts = items ? activePrompts(useSettings.getState().prompts.items) : [];
    useSettings.setState((data) => ({ history: remember(data.history, texts) }));
    if (items && !useSession.getState().loaded) beginRecording(texts, settingsNow());
    useSession.setState({
      loaded: items,
      applied: texts,
      producesAudio: status?.produces_audio === true,
      fieldErrors: {},
    });
  },
  onMessage,
});

export function toggleStream(): void {
  if (isAtRest(lifecycle.state.phase)) void start();
  else lifecycle.stop();
}

/** Starts; sizes that the pipeline cannot make are rounded first, and the user is told. */
export async function start(): Promise<void> {
  const schema = chosenPipeline();
  if (schema) roundChosenSize(schema);
  await lifecycle.start();
}

export async function applyPending(): Promise<void> {
  const schema = chosenPipeline();
  if (schema) roundChosenSize(schema);
  await lifecycle.apply();
}

export function togglePause(): void {
  lifecycle.pause(lifecycle.state.phase === 'streaming');
}

export function valueFor(schema: PipelineSchema, mode: Mode, key: string): unknown {
  const overrides = useSettings.getState().overrides[valuesKey(schema.id, mode)] ?? {};
  return valueOf(schema, mode, key, overrides, useServer.getState().hardware);
}

/** Sets values of a node of the chain; runtime values go to the server at once. */
export function setValues(node: ChainNode, values: Values): void {
  setOverride(node.schema.id, node.mode, values);
  useSession.setState((data) => {
    const left = Object.entries(data.fieldErrors).filter(([key]) => !(key in values));
    return { fieldErrors: Object.fromEntries(left) };
  });
  sendRuntime(node, values);
}

function sendRuntime(node: ChainNode, values: Values): void {
  const { loaded } = useSession.getState();
  if (!loaded?.some((item) => item.node_id === node.nodeId)) return;
  const load = new Set(
    visibleFields(node.schema, node.mode)
      .filter((field) => field.load)
      .map((field) => field.key),
  );
  load.add('vace_enabled').add('height').add('width');
  const runtime = Object.entries(values).filter(([key]) => !load.has(key));
  if (runtime.length === 0) return;
  const message = Object.fromEntries(runtime.map(([key, value]) => [wireName(key), value]));
  if (node.role === 'main') tell(message);
  else outbox.set(message, node.nodeId);
}

/** Back to the defaults: named fields, or all of the node. */
export function resetValues(node: ChainNode, keys?: readonly string[]): void {
  const own = useSettings.getState().overrides[valuesKey(node.schema.id, node.mode)] ?? {};
  const before = Object.keys(own).filter((key) => !keys || keys.includes(key));
  clearOverrides(node.schema.id, node.mode, keys);
  const defaults = before.map((key) => [key, valueFor(node.schema, node.mode, key)] as const);
  sendRuntime(node, Object.fromEntries(defaults));
}

export function resetCache(): void {
  tell({ reset_cache: true });
}

const SEED_END = 2 ** 31;

/** Another start of the random numbers; a running stream begins anew with it. */
export function newSeed(node: ChainNode, key: string): void {
  setValues(node, { [key]: Math.floor(Math.random() * SEED_END) });
  const field = visibleFields(node.schema, node.mode).find((entry) => entry.key === key);
  if (field && !field.load && isLive(lifecycle.state.phase)) resetCache();
}

/** The adapters of the running session as they were loaded. */
function loadedLoras(pipelineId: string): unknown {
  return useSession
    .getState()
    .loaded?.find((item) => item.pipeline_id === pipelineId)?.load_params['loras'];
}

/** Whether a change of this adapter's scale reaches the running session. */
export function loraIsLive(pipelineId: string, path: string): boolean {
  return isLiveLora(loadedLoras(pipelineId), path);
}

/** Keeps the adapters; `send` also tells the scales that change live. */
export function changeLoras(pipelineId: string, loras: Lora[], send: boolean): void {
  setLoras(pipelineId, loras);
  if (!send || !isLive(lifecycle.state.phase)) return;
  const loaded = loadedLoras(pipelineId);
  const message = scaleMessage(loras.filter((lora) => isLiveLora(loaded, lora.path)));
  if (message) tell(message);
}

function imagesOf(pipelineId: string): Images {
  return useSettings.getState().images[pipelineId] ?? NO_IMAGES;
}

/** Keeps the reference pictures; a running session gets them with its next chunk. */
export function changeReferences(pipelineId: string, references: string[]): void {
  setImages(pipelineId, { references });
  sendReferences(pipelineId);
}

export function sendReferences(pipelineId: string): void {
  if (isLive(lifecycle.state.phase)) tell(referenceMessage(imagesOf(pipelineId)));
}

/** Makes the next chunk begin or end with the chosen pictures. */
export function sendFrames(pipelineId: string): void {
  const message = frameMessage(imagesOf(pipelineId));
  if (message && isLive(lifecycle.state.phase)) tell(message);
}

/**
 * Sends the prompts as set now; nothing happens without a session or without a text. `own` replaces
 * what is set on the page for this time.
 */
export function submitPrompts(
  how: 'transition' | 'cut' = 'transition',
  own: Partial<PromptSettings> = {},
): void {
  const schema = chosenPipeline();
  const prompts = { ...useSettings.getState().prompts, ...own };
  const texts = activePrompts(prompts.items);
  if (!schema || schema.supports_prompts === false) return;
  if (texts.length === 0 || !useSession.getState().loaded) return;
  const defaults = transitionDefaults(schema, chosenMode(schema));
  const message = promptMessage(prompts, defaults, how);
  // The two forms exclude each other: what waits of the other would come after this one.
  outbox.drop('transition' in message ? 'prompts' : 'transition');
  outbox.set(message);
  const steps = how === 'cut' ? 0 : transitionSteps(prompts, defaults);
  const method = steps > 0 ? (prompts.temporal ?? defaults.method) : null;
  recordPrompts({ prompts: texts, steps, method });
  useSession.setState({ applied: texts });
  useSettings.setState((data) => ({ history: remember(data.history, texts) }));
}

export function sendController(state: ControllerState): void {
  if (lifecycle.state.phase === 'streaming') {
    lifecycle.current?.send({ ctrl_input: { button: state.button, mouse: state.mouse } });
  }
}

/** The grid and the smallest side of a pipeline's sizes. */
export function sizeRules(schema: PipelineSchema): { multiple: number; min: number } {
  const multipleOf = schema.config_schema?.properties?.['width']?.multipleOf ?? null;
  const min = Math.max(
    schema.min_dimension ?? 1,
    schema.config_schema?.properties?.['width']?.minimum ?? 1,
  );
  return { multiple: sizeMultiple(schema.min_dimension ?? 1, multipleOf), min };
}

function roundChosenSize(schema: PipelineSchema): void {
  const mode = chosenMode(schema);
  const width = valueFor(schema, mode, 'width');
  const height = valueFor(schema, mode, 'height');
  if (typeof width !== 'number' || typeof height !== 'number') return;
  const { multiple, min } = sizeRules(schema);
  const grid = (side: number) => Math.max(min, Math.round(side / multiple) * multiple);
  const size: Size = { width: grid(width), height: grid(height) };
  if (size.width === width && size.height === height) return;
  setOverride(schema.id, mode, { ...size });
  notify(
    'info',
    `Size set to ${size.width} × ${size.height}`,
    `This pipeline needs multiples of ${multiple}.`,
  );
}

/** Gives the output the aspect of a file, where the pipeline has a size to set. */
function fitToFile(source: Size): void {
  const schema = chosenPipeline();
  if (!schema || !isAtRest(lifecycle.state.phase)) return;
  const mode = chosenMode(schema);
  if (!visibleFields(schema, mode).some((field) => field.component === 'resolution')) return;
  const width = schema.mode_defaults?.[mode]?.['width'] ?? schema.config_schema?.properties?.['width']?.default;
  const height = schema.mode_defaults?.[mode]?.['height'] ?? schema.config_schema?.properties?.['height']?.default;
  if (typeof width !== 'number' || typeof height !== 'number') return;
  const { multiple, min } = sizeRules(schema);
  const fitted = fitAspect(source, { width, height }, multiple, min);
  if (sameValue(fitted.width, width) && sameValue(fitted.height, height)) return;
  setOverride(schema.id, mode, { ...fitted });
  notify('info', `Size set to ${fitted.width} × ${fitted.height}`, 'It follows the video file.');
}

export function choosePipelineId(id: string): void {
  if (!isAtRest(lifecycle.state.phase)) return;
  useSettings.setState({ pipelineId: id });
  useSession.setState({ fieldErrors: {} });
  lifecycle.dismiss();
}

/** Changes the input mode; a running session follows with its next chunk. */
export async function chooseMode(schema: PipelineSchema, mode: Mode): Promise<void> {
  const { phase } = lifecycle.state;
  if (!isAtRest(phase) && !isLive(phase)) return;
  const connection = lifecycle.current;
  if (isLive(phase) && connection) {
    try {
      await connection.replaceTrack(mode === 'video' ? await acquireTrack() : null);
    } catch (error) {
      const reason = error instanceof Error ? error.message : String(error);
      notify('error', 'The input was not switched', reason);
      return;
    }
    if (lifecycle.current !== connection) return;
    keepLoaded(schema, mode);
  }
  useSettings.setState((data) => ({ modes: { ...data.modes, [schema.id]: mode } }));
  if (!isLive(lifecycle.state.phase)) return;
  const { overrides } = useSettings.getState();
  const own = overrides[valuesKey(schema.id, mode)] ?? {};
  outbox.set({
    input_mode: mode,
    ...runtimeValues(schema, mode, own, useServer.getState().hardware),
  });
}

/** Load settings of `mode` become those that run, so that a switch asks for no reload. */
function keepLoaded(schema: PipelineSchema, mode: Mode): void {
  const running = useSession.getState().loaded?.find((item) => item.pipeline_id === schema.id);
  if (!running) return;
  const own = useSettings.getState().overrides[valuesKey(schema.id, mode)] ?? {};
  const wanted = loadParams(schema, mode, own, useServer.getState().hardware);
  const changed = Object.keys(wanted).filter(
    (key) => key in running.load_params && !sameValue(wanted[key], running.load_params[key]),
  );
  setOverride(
    schema.id,
    mode,
    Object.fromEntries(changed.map((key) => [key, running.load_params[key]])),
  );
}

const meter = new StatsMeter();
let metered: unknown = null;

/** Once a second, while a stream exists. */
async function readStats(): Promise<void> {
  const connection = lifecycle.current;
  if (!connection || !isLive(lifecycle.state.phase) || document.hidden) return;
  if (metered !== connection) {
    meter.reset();
    clearFigures();
  }
  metered = connection;
  const open = useSettings.getState().view.figures;
  const [sample] = await Promise.all([
    connection.sample(performance.now()),
    open && connection.sessionId !== null ? readServerFigures(connection.sessionId) : null,
  ]);
  if (lifecycle.current !== connection) return;
  const stats = meter.add(sample);
  useSession.setState({ stats });
  addFigures(stats);
}

export function startController(): () => void {
  onTrack((track) => {
    lifecycle.current?.replaceTrack(track).catch(() => {
      notify('error', 'The source was not switched', 'Stop and start the stream to use it.');
    });
  });
  onFileSize(fitToFile);
  const timer = setInterval(() => void readStats().catch(() => undefined), 1_000);
  const leave = () => lifecycle.stop();
  window.addEventListener('pagehide', leave);
  return () => {
    clearInterval(timer);
    window.removeEventListener('pagehide', leave);
  };
}
