// One device: what it is, what runs on it, its numbers, its key, its board's console, and its history since the page was
// opened.

import { useState } from "react";
import { Button } from "react-aria-components";
import { Link, useParams } from "react-router";
import { Confirm, type Question } from "../confirm";
import { Console } from "../console";
import { useDeviceActions } from "../device_actions";
import { KeyWindow, Tokens, type Awaited } from "../device_windows";
import { clock, moment } from "../format";
import { opened, pastOf } from "../history";
import { Lanes } from "../lanes";
import { useObjects } from "../live";
import { Card, Copy, Empty, Loading, Page, Status } from "../parts";
import { usePreferences, useTexts } from "../preferences";
import { Sparkline } from "../sparkline";
import type { Device } from "../types";

export default function DevicePage() {
  const t = useTexts();
  const { id = "" } = useParams();
  const devices = useObjects("device");
  if (!devices) return <Page title={id}><Loading /></Page>;
  const device = devices.get(id);
  if (!device) return <Page title={id}><Empty title={t.noSuch(id)}><Link to="/devices">{t.places.devices}</Link></Empty></Page>;
  return <Shown device={device} />;
}

function Shown({ device }: { device: Device }) {
  const t = useTexts();
  const { language } = usePreferences();
  const [key, setKey] = useState<Device | null>(null);
  const [tokens, setTokens] = useState<Awaited[] | null>(null);
  const [question, setQuestion] = useState<Question | null>(null);
  const actions = useDeviceActions(setTokens, setQuestion, setKey)(device);
  const past = pastOf(device.id);
  const running = Object.entries(device.applications);
  const metrics = Object.entries(device.metrics).filter(([, value]) => typeof value !== "object");
  const facts: [string, React.ReactNode][] = [
    [t.status, <Status key="status" phase={device.status} />],
    [t.health, device.health ? <Status key="health" phase={device.health} /> : "–"],
    [t.deviceId, device.deviceId ?? "–"],
    [t.gateway, device.gateway ?? "–"],
    [t.preferredGateway, device.preferredGateway ?? "–"],
    [t.connectedSince, moment(device.connectedSince, language)],
    [t.lastHeartbeat, moment(device.lastHeartbeat, language)],
    [t.architecture, device.architecture ?? "–"],
    [t.mcu, device.mcuType ?? device.type ?? "–"],
    [t.emulatedBoard, device.board ? `${device.board.kind}, ${device.board.phase ?? "–"}, ${t.restarts(device.board.restarts)}` : "–"],
    [t.firmware, device.firmwareVersion ?? "–"],
    [t.capabilities, device.capabilities.join(", ") || "–"],
    [t.labels, Object.entries(device.labels).map(([label, value]) => `${label}=${value}`).join(", ") || "–"],
  ];
  return (
    <Page
      title={device.name} lead={<Link to="/devices">{t.places.devices}</Link>}
      actions={actions.filter((each) => each.key !== "key").map((each) => (
        <Button key={each.key} className={each.danger ? "button danger" : "button"} onPress={each.run}>{each.title}</Button>
      ))}
    >
      {device.error && <p className="refusal">{device.error}</p>}
      <div className="grid">
        <Card title={t.facts}>
          <dl className="facts">{facts.map(([term, value]) => <div key={term} className="fact"><dt>{term}</dt><dd>{value}</dd></div>)}</dl>
        </Card>
        <Card title={t.places.applications}>
          {running.length === 0 ? <p className="quiet">{t.nothingRuns}</p> : (
            <ul className="links">
              {running.map(([name, state]) => <li key={name} className="pair"><Link to={`/applications/${name}`}>{name}</Link><Status phase={state} /></li>)}
            </ul>
          )}
        </Card>
        <Card title={t.metrics}>
          {metrics.length === 0 ? <p className="quiet">{t.noMetrics}</p> : (
            <dl className="metrics">
              {metrics.map(([name, value]) => (
                <div key={name}>
                  <dt>{name}</dt>
                  <dd><Sparkline label={name} points={past?.numbers.get(name) ?? []} /><span>{String(value)}</span></dd>
                </div>
              ))}
            </dl>
          )}
        </Card>
        <Card title={t.publicKey} aside={device.publicKey && <Copy text={device.publicKey} label={t.publicKey} />}>
          <p className="quiet">{t.keyText}</p>
          <pre className="block">{device.publicKey ?? t.notEnrolledYet}</pre>
        </Card>
      </div>
      {device.board && <Console key={device.id} device={device.id} board={`${device.board.host} ${device.board.phase}`} />}
      <Card title={t.history} aside={<span className="quiet">{t.since(clock(opened, language))}</span>}>
        <p className="quiet">{t.historyText}</p>
        {past && <Lanes past={past} from={opened} />}
      </Card>
      <Tokens awaited={tokens} close={() => setTokens(null)} />
      <KeyWindow device={key} close={() => setKey(null)} />
      <Confirm question={question} close={() => setQuestion(null)} />
    </Page>
  );
}
