// SPDX-License-Identifier: Apache-2.0
// Chooses a picture on the server: upload, drop or paste one, or pick from those that are there.
import { ImagePlus } from 'lucide-react';
import { useEffect, useRef, useState, type ClipboardEvent, type DragEvent } from 'react';
import { httpClient } from '../../session/client';
import type { Asset, AssetType } from '../../session/types';
import { assetName, assetUrl, loadAssets, useLibrary } from '../../state/library';
import { Dialog } from '../../ui/Dialog';
import { Progress } from '../../ui/Progress';
import { cn } from '../../ui/cn';

const ACCEPT: Record<AssetType, string> = {
  image: '.png,.jpg,.jpeg,.webp,.bmp',
  video: '.mp4,.webm,.mov,.avi,.mkv',
  audio: '.wav,.mp3,.flac,.ogg',
};
const NAMES: Record<AssetType, string> = { image: 'picture', video: 'video', audio: 'sound' };
const EDGE_PX = 256;

function isAccepted(file: File, type: AssetType): boolean {
  const extension = /\.[^.]+$/.exec(file.name)?.[0].toLowerCase();
  return extension !== undefined && ACCEPT[type].split(',').includes(extension);
}

/** The server replaces a file of the same name; a picture from the clipboard is always `image.png`. */
function freshName(name: string, taken: readonly Asset[]): string {
  const dot = name.lastIndexOf('.');
  const [stem, extension] = [name.slice(0, dot), name.slice(dot)];
  const names = new Set(taken.map((asset) => asset.name));
  let fresh = stem;
  for (let number = 2; names.has(fresh); number++) fresh = `${stem}-${number}`;
  return fresh + extension;
}

/** Uploads one file; `share` is null while nothing goes out. */
function useUpload(type: AssetType, onPick: (path: string) => void) {
  const [share, setShare] = useState<number | null>(null);
  const [error, setError] = useState<string | null>(null);
  const abort = useRef<AbortController | null>(null);
  useEffect(() => () => abort.current?.abort(), []);
  const upload = (file: File | undefined) => {
    if (!file) return;
    if (!isAccepted(file, type)) {
      setError(`${file.name} is no ${NAMES[type]} the server takes. Use ${ACCEPT[type].replaceAll(',', ', ')}.`);
      return;
    }
    setError(null);
    setShare(0);
    abort.current = new AbortController();
    const name = freshName(file.name, useLibrary.getState().assets[type] ?? []);
    httpClient
      .upload(file, name, setShare, abort.current.signal)
      .then((asset) => onPick(asset.path))
      .catch((reason: unknown) => {
        setShare(null);
        setError(reason instanceof Error ? reason.message : String(reason));
      });
  };
  return { share, error, upload };
}

function UploadTile({ type, share, onFile }: {
  type: AssetType;
  share: number | null;
  onFile: (file: File | undefined) => void;
}) {
  const [over, setOver] = useState(false);
  const drop = (event: DragEvent) => {
    event.preventDefault();
    setOver(false);
    onFile(event.dataTransfer.files[0]);
  };
  return (
    <label
      onDragOver={(event) => {
        event.preventDefault();
        setOver(true);
      }}
      onDragLeave={() => setOver(false)}
      onDrop={drop}
      className={cn(
        'flex aspect-square cursor-pointer flex-col items-center justify-center gap-2 rounded-xl border border-dashed p-2 text-center text-xs transition-colors focus-within:outline-2 focus-within:outline-accent',
        over ? 'border-accent bg-accent/10 text-ink' : 'border-line-strong text-muted hover:text-ink',
      )}
    >
      <ImagePlus size={22} aria-hidden />
      <span>
        Upload
        <span className="max-sm:hidden">, drop or paste</span>
      </span>
      {share !== null && (
        <span className="w-full">
          <Progress label="Upload" value={share * 100} />
        </span>
      )}
      <input
        type="file"
        accept={ACCEPT[type]}
        data-testid="media-upload"
        className="sr-only"
        onChange={(event) => onFile(event.target.files?.[0])}
      />
    </label>
  );
}

function Tile({ asset, onPick }: { asset: Asset; onPick: (path: string) => void }) {
  return (
    <button
      type="button"
      title={asset.name}
      onClick={() => onPick(asset.path)}
      className="group relative aspect-square overflow-hidden rounded-xl border border-line bg-canvas transition-colors hover:border-accent/60"
    >
      <img
        src={assetUrl(assetName(asset), EDGE_PX)}
        alt=""
        loading="lazy"
        className="size-full object-cover"
      />
      <span className="absolute inset-x-0 bottom-0 truncate bg-black/70 px-2 py-1 text-left text-2xs text-ink">
        {asset.name}
      </span>
    </button>
  );
}

/** A sound is heard before it is chosen. */
function SoundRow({ asset, onPick }: { asset: Asset; onPick: (path: string) => void }) {
  return (
    <li className="flex items-center gap-3 rounded-xl border border-line bg-canvas py-1.5 pr-2 pl-1.5 max-sm:flex-col max-sm:items-stretch">
      <button
        type="button"
        title={asset.name}
        onClick={() => onPick(asset.path)}
        className="min-w-0 flex-1 truncate rounded-lg px-2.5 py-2 text-left transition-colors hover:bg-control-hover"
      >
        {asset.name}
      </button>
      <audio
        controls
        preload="none"
        src={assetUrl(assetName(asset))}
        aria-label={asset.name}
        className="h-9 w-64 max-sm:w-full"
      />
    </li>
  );
}

interface MediaPickerProps {
  type: AssetType;
  title: string;
  onPick: (path: string) => void;
  onClose: () => void;
}

export function MediaPicker({ type, title, onPick, onClose }: MediaPickerProps) {
  const assets = useLibrary((library) => library.assets[type]);
  const listError = useLibrary((library) => library.error);
  const pick = (path: string) => {
    onPick(path);
    onClose();
  };
  const { share, error, upload } = useUpload(type, pick);
  useEffect(() => {
    void loadAssets(type);
  }, [type]);
  const paste = (event: ClipboardEvent) => upload(event.clipboardData.files[0]);
  const problem = error ?? listError;
  return (
    <Dialog title={title} testId="media-picker" width="w-2xl" onClose={onClose}>
      <div onPaste={paste} tabIndex={-1}>
        {problem && (
          <p role="alert" className="mb-3 text-danger">
            {problem}
          </p>
        )}
        <div className="grid grid-cols-4 gap-2.5 max-sm:grid-cols-2">
          <UploadTile type={type} share={share} onFile={upload} />
          {type !== 'audio' &&
            assets?.map((asset) => <Tile key={asset.path} asset={asset} onPick={pick} />)}
        </div>
        {type === 'audio' && (
          <ul className="mt-2.5 flex flex-col gap-1.5">
            {assets?.map((asset) => <SoundRow key={asset.path} asset={asset} onPick={pick} />)}
          </ul>
        )}
        {assets?.length === 0 && (
          <p className="mt-3 text-muted">Nothing is here yet. What you upload stays on the server.</p>
        )}
      </div>
    </Dialog>
  );
}
