"""The room: it has an object of each page's, and each page has one of the room's."""

import asyncio
from collections import deque
from pathlib import Path

import cara_pseud

schema = cara_pseud.load(Path(__file__).with_name("chat.capnp"))


class Chat(schema.Chat):
    def __init__(self):
        self.rooms = []
        self.said = deque(maxlen=50)

    async def enter(self, name, member):
        if not name.strip() or any(room.name == name for room in self.rooms):
            raise cara_pseud.RpcError("already_exists", f"there is somebody with the name {name!r}; take another one")
        said = list(self.said)
        room = Room(self, name, member)
        self.rooms.append(room)
        return {"room": room, "said": said}

    async def tell(self, name, text):
        message = {"from": name, "text": text}
        self.said.append(message)
        # One that is slow or has gone keeps nobody waiting.
        await asyncio.gather(*(room.member.said(message) for room in self.rooms), return_exceptions=True)


class Room(schema.Chat.Room):
    def __init__(self, chat, name, member):
        self.chat, self.name, self.member = chat, name, member

    async def say(self, text):
        await self.chat.tell(self.name, text)

    def __released__(self):
        self.chat.rooms.remove(self)  # the page let it go, or has gone for good


cara_pseud.run(Chat())
