// Windows about devices: new ones, their pairing tokens, and a device's key.

import { useState, type FormEvent } from "react";
import { Button } from "react-aria-components";
import { ask } from "./api";
import { reload } from "./live";
import { useOperations } from "./operations";
import { Copy, Field, Refusal, Window } from "./parts";
import { useTexts } from "./preferences";
import type { Device } from "./types";

export interface Awaited {
  id: string;
  name: string;
  pairingToken: string;
}

/** Kinds of boards to choose from; the server knows whether it can run another one. */
const BOARDS = ["virtual", "mps2-an385", "mps2-an386", "mps2-an500", "mps2-an505", "lm3s6965evb", "netduinoplus2", "olimex-stm32-h405", "riscv32-virt"];

interface Created {
  devices: Awaited[];
  errors: string[];
}

export function CreateDevices({ open, close, made }: { open: boolean; close: () => void; made: (awaited: Awaited[]) => void }) {
  const t = useTexts();
  return (
    <Window title={t.createDevices} open={open} close={close}>
      <CreateForm close={close} made={made} />
    </Window>
  );
}

function CreateForm({ close, made }: { close: () => void; made: (awaited: Awaited[]) => void }) {
  const t = useTexts();
  const { has } = useOperations();
  const [name, setName] = useState("");
  const [count, setCount] = useState(1);
  const [board, setBoard] = useState("");
  const [error, setError] = useState<unknown>(null);
  const [busy, setBusy] = useState(false);
  async function submit(event: FormEvent) {
    event.preventDefault();
    setBusy(true);
    try {
      if (board) {
        for (let number = 1; number <= count; number += 1) {
          await ask("POST", `/api/v1/devices/${count === 1 ? name : `${name}-${number}`}/emulation`, { kind: board });
        }
        close();
        return;
      }
      const created = await ask<Created>("POST", "/api/v1/devices", { type: "MCU", count, ...(name && { name }) });
      await reload("device");
      close();
      made(created.devices);
    } catch (caught) {
      setError(caught);
      setBusy(false);
    }
  }
  return (
    <form onSubmit={(event) => void submit(event)}>
      <p>{t.createDevicesText}</p>
      <Field label={t.name} help={t.nameHelp}>
        {(id, help) => <input id={id} aria-describedby={help} required={board !== ""} pattern="[a-z0-9]([\-a-z0-9]*[a-z0-9])?" maxLength={59} value={name} onChange={(event) => setName(event.target.value)} />}
      </Field>
      <Field label={t.count}>
        {(id) => <input id={id} type="number" min={1} max={100} required value={count} onChange={(event) => setCount(event.target.valueAsNumber)} />}
      </Field>
      {has("POST", "/api/v1/devices/{id}/emulation") && (
        <Field label={t.emulatedBoard} help={t.emulatedBoardHelp}>
          {(id, help) => (
            <>
              <input id={id} aria-describedby={help} list={`${id}-kinds`} pattern="[a-z0-9][\-a-z0-9+_]*" maxLength={63} value={board} onChange={(event) => setBoard(event.target.value)} />
              <datalist id={`${id}-kinds`}>{BOARDS.map((each) => <option key={each}>{each}</option>)}</datalist>
            </>
          )}
        </Field>
      )}
      {error !== null && <Refusal error={error} />}
      <div className="buttons">
        <Button className="button" onPress={close}>{t.cancel}</Button>
        <Button type="submit" className="button primary" isDisabled={busy}>{t.create}</Button>
      </div>
    </form>
  );
}

export function Tokens({ awaited, close }: { awaited: Awaited[] | null; close: () => void }) {
  const t = useTexts();
  const lines = (awaited ?? []).map((each) => `${each.name} ${each.pairingToken}`).join("\n");
  return (
    <Window title={t.tokens} open={awaited !== null} close={close} wide>
      <p>{t.tokensText}</p>
      <div className="wide-content">
        <table>
          <thead><tr><th scope="col">{t.name}</th><th scope="col">{t.pairingToken}</th></tr></thead>
          <tbody>
            {(awaited ?? []).map((each) => <tr key={each.id}><th scope="row">{each.name}</th><td><code>{each.pairingToken}</code></td></tr>)}
          </tbody>
        </table>
      </div>
      <div className="buttons">
        <Copy text={lines} label={t.tokens} />
        <Button className="button primary" onPress={close}>{t.close}</Button>
      </div>
    </Window>
  );
}

export function KeyWindow({ device, close }: { device: Device | null; close: () => void }) {
  const t = useTexts();
  return (
    <Window title={device ? t.keyOf(device.name) : ""} open={device !== null} close={close}>
      <p>{t.keyText}</p>
      <pre className="block">{device?.publicKey}</pre>
      <div className="buttons">
        <Copy text={device?.publicKey ?? ""} label={t.publicKey} />
        <Button className="button primary" onPress={close}>{t.close}</Button>
      </div>
    </Window>
  );
}
