// SPDX-License-Identifier: Apache-2.0
// Live picture of the source, with its states; a video file may be dropped on it.
import { Upload, Video } from 'lucide-react';
import { useEffect, useRef, useState } from 'react';
import { chooseFile, openSource, useSource } from '../../state/source';
import { useSettings } from '../../state/settings';
import { Button } from '../../ui/Button';
import { cn } from '../../ui/cn';

function Message({ children }: { children: React.ReactNode }) {
  return (
    <div className="absolute inset-0 flex flex-col items-center justify-center gap-2.5 p-4 text-center text-xs text-soft">
      {children}
    </div>
  );
}

function StateMessage() {
  const status = useSource((source) => source.status);
  const error = useSource((source) => source.error);
  const kind = useSettings((settings) => settings.source.kind);
  if (status === 'opening') {
    return (
      <Message>{kind === 'camera' ? 'Waiting for the camera…' : 'Opening the clip…'}</Message>
    );
  }
  if (status === 'error') {
    return (
      <Message>
        <span role="alert" className="text-danger">
          {error}
        </span>
        <Button onClick={() => void openSource(true)}>Try again</Button>
      </Message>
    );
  }
  if (status === 'off') {
    return (
      <Message>
        <Button
          icon={<Video size={15} aria-hidden />}
          onClick={() => void openSource(true)}
        >
          {kind === 'camera' ? 'Turn on camera' : 'Show preview'}
        </Button>
      </Message>
    );
  }
  return null;
}

export function SourcePreview() {
  const video = useRef<HTMLVideoElement>(null);
  const stream = useSource((source) => source.stream);
  const size = useSource((source) => source.size);
  const [over, setOver] = useState(false);

  useEffect(() => {
    if (video.current && video.current.srcObject !== stream) video.current.srcObject = stream;
  }, [stream]);

  const onDrop = (event: React.DragEvent) => {
    event.preventDefault();
    setOver(false);
    const dropped = event.dataTransfer.files[0];
    if (dropped) void chooseFile(dropped);
  };

  return (
    <div
      className="relative aspect-video overflow-hidden rounded-xl border border-line bg-black"
      onDragOver={(event) => {
        event.preventDefault();
        setOver(true);
      }}
      onDragLeave={() => setOver(false)}
      onDrop={onDrop}
    >
      <video
        ref={video}
        autoPlay
        muted
        playsInline
        aria-label="Source preview"
        data-testid="video-input"
        className={cn('size-full object-contain', stream ? '' : 'invisible')}
      />
      <StateMessage />
      {size && (
        <span className="absolute right-2 bottom-2 rounded-md bg-black/65 px-1.5 text-2xs tabular-nums text-soft">
          {size.width} × {size.height}
        </span>
      )}
      {over && (
        <div className="absolute inset-0 flex items-center justify-center gap-2 border-2 border-accent bg-canvas/85 font-medium text-accent">
          <Upload size={16} aria-hidden /> Drop a video file
        </div>
      )}
    </div>
  );
}
