// SPDX-License-Identifier: Apache-2.0
// Files on the server that the user picks from: adapters and uploaded assets. Read when a list is
// shown, and again after an upload.
import { useEffect } from 'react';
import { create } from 'zustand';
import { httpClient, type Client } from '../session/client';
import type { Asset, AssetType, LoraFile } from '../session/types';

export interface LibraryData {
  /** null: not listed yet. */
  loras: LoraFile[] | null;
  /** By type; one that is missing was not listed yet. */
  assets: Partial<Record<AssetType, Asset[]>>;
  /** Why the last list could not be read. */
  error: string | null;
}

export const useLibrary = create<LibraryData>(() => ({
  loras: null,
  assets: {},
  error: null,
}));

async function read(request: () => Promise<Partial<LibraryData>>): Promise<void> {
  useLibrary.setState({ error: null });
  try {
    useLibrary.setState(await request());
  } catch (error) {
    const text = error instanceof Error ? error.message : String(error);
    useLibrary.setState({ error: text });
  }
}

export function loadLoras(client: Client = httpClient): Promise<void> {
  return read(async () => ({ loras: await client.loras() }));
}

export function loadAssets(type: AssetType, client: Client = httpClient): Promise<void> {
  return read(async () => {
    const list = await client.assets(type);
    const known = useLibrary.getState().assets;
    return { assets: { ...known, [type]: list.filter((asset) => asset.type === type) } };
  });
}

/** Where the server has an asset below its folder of assets. */
export function assetName({ path, folder }: Pick<Asset, 'path' | 'folder'>): string {
  const name = fileName(path);
  return folder ? `${folder}/${name}` : name;
}

/** The same for a path that no list holds any more: the lists tell the folder that all are below. */
export function nameOfPath(assets: readonly Asset[], path: string): string {
  const known = assets.find((asset) => asset.path === path);
  if (known) return assetName(known);
  const roots = assets.map((asset) => asset.path.slice(0, -assetName(asset).length));
  const root = roots.find((start) => path.startsWith(start));
  return root === undefined ? fileName(path) : path.slice(root.length);
}

/** The name of the asset at `path`; null without one, and until the server has listed its assets. */
export function useAssetName(type: AssetType, path: string | null): string | null {
  const assets = useLibrary((library) => library.assets[type]);
  const missing = path !== null && assets === undefined;
  useEffect(() => {
    if (missing) void loadAssets(type);
  }, [missing, type]);
  return path === null || assets === undefined ? null : nameOfPath(assets, path);
}

/** Address of an asset, or of a picture of it no larger than `edge` pixels. */
export function assetUrl(name: string, edge?: number): string {
  const address = `api/v1/assets/${name.split('/').map(encodeURIComponent).join('/')}`;
  return edge === undefined ? address : `${address}?thumbnail=${edge}`;
}

export function fileName(path: string): string {
  return path.split(/[/\\]/).at(-1) ?? path;
}
