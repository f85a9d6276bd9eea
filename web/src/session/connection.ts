// SPDX-License-Identifier: Apache-2.0
// One WebRTC session: data channel, media lines, offer and answer, candidates. Knows nothing of
// pipelines or of the page; reports through callbacks and is closed exactly once.
import type { Client } from './client';
import { readSample, type Sample } from './stats';
import type { Candidate, IceServer, Values } from './types';

export interface ConnectionEvents {
  /** The transport reached `connected`. */
  onConnected(): void;
  /** The transport may recover by itself. */
  onDisconnected(): void;
  /** The transport or the channel is gone for good. */
  onFailed(cause: string): void;
  onStream(stream: MediaStream): void;
  onMessage(message: unknown): void;
  onChannelOpen(): void;
}

export interface ConnectionOptions {
  client: Client;
  iceServers: IceServer[];
  /** Source video; null in text mode. */
  track: MediaStreamTrack | null;
  initialParameters: Values;
  signal: AbortSignal;
  events: ConnectionEvents;
}

export interface Connection {
  readonly sessionId: string | null;
  send(message: Values): boolean;
  replaceTrack(track: MediaStreamTrack | null): Promise<void>;
  sample(nowMs: number): Promise<Sample>;
  /** Tells the server (best effort) and closes. Safe to call twice. */
  close(): void;
}

export type OpenConnection = (options: ConnectionOptions) => Promise<Connection>;

const CODEC_ORDER = ['video/vp8', 'video/h264', 'video/vp9', 'video/av1'];

/** VP8 first: every server of this protocol answers it; helper formats keep their place at the end. */
export function preferredCodecs<T extends { mimeType: string }>(codecs: readonly T[]): T[] {
  const rank = (codec: T) => {
    const index = CODEC_ORDER.indexOf(codec.mimeType.toLowerCase());
    return index < 0 ? CODEC_ORDER.length : index;
  };
  return codecs
    .map((codec, index) => ({ codec, index }))
    .sort((a, b) => rank(a.codec) - rank(b.codec) || a.index - b.index)
    .map((entry) => entry.codec);
}

export class PeerConnection implements Connection {
  sessionId: string | null = null;
  private readonly pc: RTCPeerConnection;
  private readonly channel: RTCDataChannel;
  private readonly sender: RTCRtpSender;
  private queued: Candidate[] = [];
  private closed = false;
  private failed = false;

  private constructor(private readonly options: ConnectionOptions) {
    this.pc = new RTCPeerConnection({
      iceServers: options.iceServers.map((server) => ({
        urls: server.urls,
        ...(server.username ? { username: server.username } : {}),
        ...(server.credential ? { credential: server.credential } : {}),
      })),
    });
    this.channel = this.pc.createDataChannel('parameters', { ordered: true });
    const transceiver = this.pc.addTransceiver(options.track ?? 'video', { direction: 'sendrecv' });
    this.sender = transceiver.sender;
    const codecs = globalThis.RTCRtpReceiver?.getCapabilities?.('video')?.codecs;
    if (codecs?.length) transceiver.setCodecPreferences?.(preferredCodecs(codecs));
    this.pc.addTransceiver('audio', { direction: 'recvonly' });
    this.listen();
  }

  static async open(options: ConnectionOptions): Promise<Connection> {
    const connection = new PeerConnection(options);
    try {
      await connection.negotiate();
      return connection;
    } catch (error) {
      connection.close();
      throw error;
    }
  }

  private listen(): void {
    const { events } = this.options;
    const stream = new MediaStream();
    this.pc.ontrack = (event) => {
      stream.addTrack(event.track);
      if (event.track.kind === 'video') events.onStream(stream);
    };
    this.pc.onconnectionstatechange = () => {
      if (this.closed) return;
      const state = this.pc.connectionState;
      if (state === 'connected') events.onConnected();
      else if (state === 'disconnected') events.onDisconnected();
      else if (state === 'failed') this.fail('The media connection failed.');
    };
    this.pc.onicecandidate = (event) => {
      if (!event.candidate || event.candidate.candidate === '') return;
      const { candidate, sdpMid, sdpMLineIndex } = event.candidate;
      this.queued.push({ candidate, sdpMid, sdpMLineIndex });
      if (this.sessionId !== null) void this.sendCandidates();
    };
    this.channel.onopen = () => events.onChannelOpen();
    this.channel.onclose = () => this.fail('The server closed the connection.');
    this.channel.onmessage = (event: MessageEvent<unknown>) => {
      if (typeof event.data !== 'string') return;
      try {
        events.onMessage(JSON.parse(event.data));
      } catch {
        console.warn('Ignored a data-channel message that is not JSON.');
      }
    };
  }

  private fail(cause: string): void {
    if (this.closed || this.failed) return;
    this.failed = true;
    this.options.events.onFailed(cause);
  }

  private async negotiate(): Promise<void> {
    const { client, signal, initialParameters } = this.options;
    await this.pc.setLocalDescription(await this.pc.createOffer());
    const local = this.pc.localDescription;
    if (!local) throw new Error('The browser made no offer.');
    const answer = await client.offer(local, initialParameters, signal);
    this.sessionId = answer.sessionId;
    if (signal.aborted) throw new Error('Cancelled.');
    await this.pc.setRemoteDescription({ type: answer.type, sdp: answer.sdp });
    await this.sendCandidates();
  }

  /** Sends what is queued, with one retry: the server may still be setting up. */
  private async sendCandidates(): Promise<void> {
    if (this.sessionId === null || this.queued.length === 0) return;
    const batch = this.queued;
    this.queued = [];
    for (let attempt = 0; attempt < 2; attempt++) {
      try {
        await this.options.client.addCandidates(this.sessionId, batch);
        return;
      } catch (error) {
        if (attempt === 1) console.warn('The server refused candidates:', error);
        else await new Promise((resolve) => setTimeout(resolve, 400));
      }
    }
  }

  send(message: Values): boolean {
    if (this.channel.readyState !== 'open') return false;
    this.channel.send(JSON.stringify(message));
    return true;
  }

  async replaceTrack(track: MediaStreamTrack | null): Promise<void> {
    await this.sender.replaceTrack(track);
  }

  async sample(nowMs: number): Promise<Sample> {
    const report = await this.pc.getStats();
    return readSample(report as unknown as Iterable<[string, unknown]>, nowMs);
  }

  close(): void {
    if (this.closed) return;
    this.closed = true;
    if (this.sessionId !== null) {
      this.options.client.closeSession(this.sessionId).catch(() => undefined);
    }
    this.channel.close();
    this.pc.close();
  }
}
