// The first steps: the system, gateways, devices.

import { useQuery } from "@tanstack/react-query";
import { useState } from "react";
import { Button } from "react-aria-components";
import { Link } from "react-router";
import { ask, Refused, send } from "../api";
import { templates } from "../compile";
import { CreateDevices, Tokens, type Awaited } from "../device_windows";
import { useConnection, useObjects } from "../live";
import { useNotices } from "../notices";
import { useOperations } from "../operations";
import { Card, Figure, Figures, Page, Status } from "../parts";
import { useTexts } from "../preferences";
import { Steps } from "../steps";

export default function Setup() {
  const t = useTexts();
  const [step, setStep] = useState(0);
  const pages = [<SystemCheck key="system" />, <GatewayStep key="gateways" />, <DeviceStep key="devices" />, <Done key="done" />];
  return (
    <Page title={t.places.setup} lead={t.setupLead}>
      <Steps label={t.places.setup} titles={t.setupSteps} at={step} />
      {pages[step]}
      <div className="buttons">
        <Button className="button" isDisabled={step === 0} onPress={() => setStep(step - 1)}>{t.back}</Button>
        {step < pages.length - 1
          ? <Button className="button primary" onPress={() => setStep(step + 1)}>{t.next}</Button>
          : <Link className="button primary" to="/">{t.places.overview}</Link>}
      </div>
    </Page>
  );
}

function SystemCheck() {
  const t = useTexts();
  const { state } = useConnection();
  const ready = useQuery({ queryKey: ["ready", state], queryFn: async () => (await send("/readyz")).ok });
  const compiler = useQuery({ queryKey: ["templates"], queryFn: templates });
  const gateways = useObjects("gateway");
  const online = [...(gateways?.values() ?? [])].filter((each) => each.status === "Online").length;
  const checks: [string, boolean | null, string][] = [
    [t.apiServer, ready.data ?? (ready.error ? false : null), ready.data ? t.ready : (ready.error?.message ?? "")],
    [t.changes, state === "connecting" ? null : state === "live", state === "live" ? t.live : t.notFollowed],
    [t.places.gateways, gateways ? online > 0 : null, t.ofThemOnline(online)],
    [t.compileService, compiler.data ? true : compiler.error ? false : null, compiler.error instanceof Refused && compiler.error.status === 404 ? t.noCompiler : (compiler.error?.message ?? t.ready)],
  ];
  return (
    <Card title={t.setupSteps[0]}>
      <ul className="checks">
        {checks.map(([name, good, text]) => (
          <li key={name}><span>{name}</span><span className="status" data-tone={good === null ? "idle" : good ? "good" : "warn"}>{good === null ? t.loading : text}</span></li>
        ))}
      </ul>
    </Card>
  );
}

function GatewayStep() {
  const t = useTexts();
  const { act } = useNotices();
  const { has } = useOperations();
  const [count, setCount] = useState(1);
  const gateways = [...(useObjects("gateway")?.values() ?? [])];
  const create = () => act(async () => (await ask<{ message: string }>("POST", "/api/v1/gateways", { count })).message);
  return (
    <Card title={t.places.gateways}>
      {gateways.length > 0 && <ul className="checks">{gateways.map((each) => <li key={each.id}><span>{each.name}</span><Status phase={each.status} /></li>)}</ul>}
      {gateways.length === 0 && <><p>{t.noGatewaysText}</p><pre className="block">wasmbed gateway --help</pre></>}
      {has("POST", "/api/v1/gateways") && (
        <div className="controls">
          <input type="number" aria-label={t.count} min={1} max={10} value={count} onChange={(event) => setCount(event.target.valueAsNumber)} />
          <Button className="button" onPress={() => void create()}>{t.createGateways}</Button>
        </div>
      )}
    </Card>
  );
}

function DeviceStep() {
  const t = useTexts();
  const [open, setOpen] = useState(false);
  const [tokens, setTokens] = useState<Awaited[] | null>(null);
  const count = useObjects("device")?.size ?? 0;
  return (
    <Card title={t.places.devices}>
      <p>{t.createDevicesText}</p>
      <p className="quiet" role="status">{t.shown(count, count)}</p>
      <Button className="button" onPress={() => setOpen(true)}>{t.createDevices}</Button>
      <CreateDevices open={open} close={() => setOpen(false)} made={setTokens} />
      <Tokens awaited={tokens} close={() => setTokens(null)} />
    </Card>
  );
}

function Done() {
  const t = useTexts();
  const devices = useObjects("device");
  const gateways = useObjects("gateway");
  return (
    <>
      <Figures>
        <Figure label={t.places.gateways} value={gateways?.size ?? 0} />
        <Figure label={t.places.devices} value={devices?.size ?? 0} />
      </Figures>
      <Card><p>{t.setupDone}</p></Card>
    </>
  );
}
