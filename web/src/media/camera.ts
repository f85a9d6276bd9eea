// SPDX-License-Identifier: Apache-2.0
// Camera access: list of devices and opening one, with errors that say what to do.

export interface CameraDevice {
  id: string;
  label: string;
}

export function cameraSupported(): boolean {
  return typeof navigator !== 'undefined' && navigator.mediaDevices?.getUserMedia !== undefined;
}

export async function listCameras(): Promise<CameraDevice[]> {
  if (!cameraSupported()) return [];
  const devices = await navigator.mediaDevices.enumerateDevices();
  return devices
    .filter((device) => device.kind === 'videoinput')
    .map((device, index) => ({
      id: device.deviceId,
      label: device.label || `Camera ${index + 1}`,
    }));
}

function explain(error: unknown): Error {
  const name = error instanceof Error ? error.name : '';
  switch (name) {
    case 'NotAllowedError':
      return new Error('The browser blocks the camera. Allow it for this page and try again.');
    case 'NotFoundError':
    case 'OverconstrainedError':
      return new Error('No such camera is connected. Pick another one or use a video file.');
    case 'NotReadableError':
      return new Error('Another program uses the camera. Close it there and try again.');
    default:
      return new Error(error instanceof Error ? error.message : 'The camera could not be opened.');
  }
}

export async function openCamera(deviceId: string | null): Promise<MediaStream> {
  if (!cameraSupported()) {
    throw new Error('Cameras need a page served over HTTPS or from this machine.');
  }
  try {
    return await navigator.mediaDevices.getUserMedia({
      audio: false,
      video: {
        width: { ideal: 640 },
        height: { ideal: 480 },
        frameRate: { ideal: 30, max: 30 },
        ...(deviceId ? { deviceId: { exact: deviceId } } : {}),
      },
    });
  } catch (error) {
    throw explain(error);
  }
}
