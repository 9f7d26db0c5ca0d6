// The actions of a device, by its status and by what the server has.

import { ask } from "./api";
import type { Question } from "./confirm";
import type { Awaited } from "./device_windows";
import { reload } from "./live";
import type { Action } from "./menu";
import { useNotices } from "./notices";
import { useOperations } from "./operations";
import { useTexts } from "./preferences";
import type { Device } from "./types";

interface Done {
  message: string;
  pairingToken?: string;
}

const ONE = "/api/v1/devices/{id}";

export function useDeviceActions(
  showTokens: (awaited: Awaited[]) => void,
  confirm: (question: Question) => void,
  showKey: (device: Device) => void,
): (device: Device) => Action[] {
  const t = useTexts();
  const { act } = useNotices();
  const { has } = useOperations();
  return (device) => {
    const path = `/api/v1/devices/${device.id}`;
    const post = (verb: string) => act(async () => (await ask<Done>("POST", `${path}/${verb}`, {})).message);
    const enroll = () =>
      act(async () => {
        const { pairingToken } = await ask<Done>("POST", `${path}/enroll`, {});
        if (pairingToken) showTokens([{ id: device.id, name: device.name, pairingToken }]);
      });
    const remove = () =>
      act(async () => {
        const { message } = await ask<Done>("DELETE", path);
        await reload("device");
        return message;
      });
    const connected = device.status === "Connected";
    const actions: (Action | false | null | undefined)[] = [
      device.publicKey !== null && { key: "key", title: t.showKey, run: () => showKey(device) },
      !connected && device.publicKey !== null && { key: "enroll", title: t.enrollAgain, run: () => void enroll() },
      device.publicKey === null && !device.board && { key: "token", title: t.newToken, run: () => void enroll() },
      device.suspended && has("POST", `${ONE}/connect`) && { key: "connect", title: t.connect, run: () => void post("connect") },
      connected && has("POST", `${ONE}/disconnect`) && { key: "disconnect", title: t.disconnect, run: () => void post("disconnect") },
      ...(["start", "stop", "restart"] as const).map((verb) =>
        device.board && device.board.running === (verb !== "start") && has("POST", `${ONE}/emulation/${verb}`) && { key: verb, title: t.emulation[verb], run: () => void post(`emulation/${verb}`) }),
      {
        key: "delete", title: t.delete, danger: true,
        run: () => confirm({ title: t.deleteTitle(device.name), text: t.deleteDeviceText, verb: t.delete, run: remove }),
      },
    ];
    return actions.filter((each) => typeof each === "object" && each !== null);
  };
}
