#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""The least that a WebRTC passthrough server on aiortc has to do, as a peer to measure against.

Every incoming video track is sent back. Speaks as much of the wire contract as bench/webrtc's
client needs: POST /api/v1/webrtc/offer, PATCH and DELETE on the session. HTTP is read by hand on
asyncio, so that nothing but aiortc is measured. With --rgb each picture goes to an RGB array and
back, as a server must that hands pictures to Python pipelines.
"""
import argparse
import asyncio
import json
import uuid

import aioice.ice
import aiortc.codecs.vpx as vpx
from aiortc import RTCPeerConnection, RTCSessionDescription, VideoStreamTrack
from aiortc.sdp import candidate_from_sdp
from av import VideoFrame

# The encoder constants of the original server.
vpx.DEFAULT_BITRATE = 7_000_000
vpx.MIN_BITRATE = 5_000_000
vpx.MAX_BITRATE = 10_000_000

sessions = {}
arguments = None


class Passthrough(VideoStreamTrack):
    """Gives what the source gives, newest first: what waits too long is dropped."""

    def __init__(self, source):
        super().__init__()
        self.source = source

    async def recv(self):
        frame = await self.source.recv()
        if not arguments.rgb:
            return frame
        copy = VideoFrame.from_ndarray(frame.to_ndarray(format="rgb24"), format="rgb24")
        copy.pts, copy.time_base = frame.pts, frame.time_base
        return copy


async def offer(body):
    peer = RTCPeerConnection()
    session = str(uuid.uuid4())
    sessions[session] = peer

    @peer.on("track")
    def on_track(track):
        if track.kind == "video":
            peer.addTrack(Passthrough(track))

    @peer.on("connectionstatechange")
    async def on_state():
        if peer.connectionState in ("failed", "closed"):
            sessions.pop(session, None)
            await peer.close()

    await peer.setRemoteDescription(RTCSessionDescription(body["sdp"], "offer"))
    await peer.setLocalDescription(await peer.createAnswer())
    return 200, {"sdp": peer.localDescription.sdp, "type": "answer", "sessionId": session}


async def patch(session, body):
    peer = sessions.get(session)
    if peer is None:
        return 404, {"detail": "Session not found"}
    for item in body["candidates"]:
        if item["candidate"]:
            candidate = candidate_from_sdp(item["candidate"].split(":", 1)[1])
            candidate.sdpMid, candidate.sdpMLineIndex = item["sdpMid"], item["sdpMLineIndex"]
            await peer.addIceCandidate(candidate)
    return 204, None


async def delete(session):
    peer = sessions.pop(session, None)
    if peer is not None:
        await peer.close()
    return 204 if peer else 404, None


async def answer(method, path, body):
    if method == "POST" and path == "/api/v1/webrtc/offer":
        return await offer(json.loads(body))
    session = path.rsplit("/", 1)[-1]
    if method == "PATCH":
        return await patch(session, json.loads(body))
    if method == "DELETE":
        return await delete(session)
    return 404, {"detail": "not found"}


async def serve(reader, writer):
    try:
        while True:
            head = (await reader.readuntil(b"\r\n\r\n")).decode()
            method, path, _ = head.split("\r\n")[0].split(" ")
            length = 0
            for line in head.split("\r\n")[1:]:
                if line.lower().startswith("content-length:"):
                    length = int(line.split(":")[1])
            status, reply = await answer(method, path, await reader.readexactly(length))
            data = json.dumps(reply).encode() if reply is not None else b""
            writer.write(f"HTTP/1.1 {status} -\r\nContent-Type: application/json\r\n"
                         f"Content-Length: {len(data)}\r\n\r\n".encode() + data)
            await writer.drain()
    except (asyncio.IncompleteReadError, ConnectionError):
        pass
    finally:
        writer.close()


async def main():
    server = await asyncio.start_server(serve, "127.0.0.1", arguments.port)
    print(f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}", flush=True)
    async with server:
        await server.serve_forever()


parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
parser.add_argument("--port", type=int, default=0)
parser.add_argument("--rgb", action="store_true", help="convert every picture to RGB and back")
arguments = parser.parse_args()
aioice.ice.get_host_addresses = lambda **_: ["127.0.0.1"]
asyncio.run(main())
