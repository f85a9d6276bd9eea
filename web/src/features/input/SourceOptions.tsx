// SPDX-License-Identifier: Apache-2.0
// What belongs to the chosen source: camera device, or sample clip and file.
import { Upload } from 'lucide-react';
import { useRef } from 'react';
import { SAMPLES } from '../../media/samples';
import { chooseCamera, chooseFile, chooseSample, useSource } from '../../state/source';
import { useSettings } from '../../state/settings';
import { Button } from '../../ui/Button';
import { Segmented } from '../../ui/Segmented';
import { Select } from '../../ui/Select';

function CameraOptions() {
  const cameras = useSource((source) => source.cameras).filter((camera) => camera.id !== '');
  const deviceId = useSettings((settings) => settings.source.deviceId);
  if (cameras.length === 0) {
    return (
      <p className="text-xs text-muted">Device names appear once the browser may use a camera.</p>
    );
  }
  const known = cameras.some((camera) => camera.id === deviceId);
  return (
    <Select
      label="Camera device"
      testId="camera-select"
      value={known && deviceId ? deviceId : (cameras[0]?.id ?? '')}
      groups={[
        { label: null, options: cameras.map(({ id, label }) => ({ value: id, label })) },
      ]}
      onChange={(id) => void chooseCamera(id)}
    />
  );
}

function FileOptions() {
  const input = useRef<HTMLInputElement>(null);
  const fileName = useSource((source) => source.fileName);
  const sample = useSettings((settings) => settings.source.sample);
  return (
    <div className="flex flex-col gap-2">
      <Segmented
        label="Sample clip"
        value={fileName ? '' : sample}
        choices={SAMPLES.map(({ id, label }) => ({ value: id, label }))}
        onChange={(id) => void chooseSample(id)}
      />
      <Button icon={<Upload size={15} aria-hidden />} onClick={() => input.current?.click()}>
        <span className="truncate">{fileName ?? 'Open a video file'}</span>
      </Button>
      <input
        ref={input}
        type="file"
        accept="video/*"
        className="hidden"
        aria-label="Video file"
        data-testid="source-file-input"
        onChange={(event) => {
          const chosen = event.target.files?.[0];
          if (chosen) void chooseFile(chosen);
          event.target.value = '';
        }}
      />
    </div>
  );
}

export function SourceOptions() {
  const kind = useSettings((settings) => settings.source.kind);
  return kind === 'camera' ? <CameraOptions /> : <FileOptions />;
}
