// SPDX-License-Identifier: Apache-2.0
// Files on the server that the user picks from: adapters and uploaded assets. Read when a list is
// shown, and again after an upload.
import { create } from 'zustand';
import { httpClient, type Client } from '../session/client';
import type { Asset, AssetType, LoraFile } from '../session/types';

export interface LibraryData {
  /** null: not listed yet. */
  loras: LoraFile[] | null;
  assets: Asset[];
  /** Why the last list could not be read. */
  error: string | null;
}

export const useLibrary = create<LibraryData>(() => ({
  loras: null,
  assets: [],
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
  return read(async () => ({ assets: await client.assets(type) }));
}

/** Address of a picture of an asset no larger than `edge` pixels. */
export function thumbnailUrl(asset: Pick<Asset, 'path' | 'folder'>, edge: number): string {
  return `api/v1/assets/${assetName(asset)}?thumbnail=${edge}`;
}

function assetName({ path, folder }: Pick<Asset, 'path' | 'folder'>): string {
  const name = fileName(path);
  return (folder ? `${folder}/${name}` : name).split('/').map(encodeURIComponent).join('/');
}

export function fileName(path: string): string {
  return path.split(/[/\\]/).at(-1) ?? path;
}
