// One application, and its state on each device.

import { useState } from "react";
import { Button } from "react-aria-components";
import { Link, useParams } from "react-router";
import { useApplicationActions } from "../application_actions";
import { Confirm, type Question } from "../confirm";
import { moment } from "../format";
import { useObjects } from "../live";
import { Card, Empty, Figure, Figures, Loading, Page, Status } from "../parts";
import { usePreferences, useTexts } from "../preferences";
import { Table } from "../table";
import { targetsOf } from "./applications";

export default function ApplicationPage() {
  const t = useTexts();
  const { language } = usePreferences();
  const { id = "" } = useParams();
  const [question, setQuestion] = useState<Question | null>(null);
  const actionsOf = useApplicationActions(setQuestion);
  const applications = useObjects("application");
  if (!applications) return <Page title={id}><Loading /></Page>;
  const application = applications.get(id);
  if (!application) return <Page title={id}><Empty title={t.noSuch(id)}><Link to="/applications">{t.places.applications}</Link></Empty></Page>;
  const numbers = application.statistics;
  const facts: [string, React.ReactNode][] = [
    [t.status, <Status key="status" phase={application.status} />],
    [t.description, application.description || "–"],
    [t.targets, targetsOf(application, t)],
    [t.created, moment(application.created_at, language)],
    [t.lastUpdated, moment(application.last_updated, language)],
    [t.retries, application.retries],
    ["SHA-256", application.module ? <code key="module">{application.module}</code> : "–"],
  ];
  return (
    <Page
      title={application.name} lead={<Link to="/applications">{t.places.applications}</Link>}
      actions={actionsOf(application).map((each) => <Button key={each.key} className={each.danger ? "button danger" : "button"} onPress={each.run}>{each.title}</Button>)}
    >
      {application.error && <p className="refusal">{application.error}</p>}
      <Figures>
        <Figure label={t.targets} value={numbers.target_count} />
        <Figure label={t.running} value={numbers.running_devices} tone={numbers.running_devices ? "good" : undefined} />
        <Figure label={t.failed} value={numbers.failed_devices} tone={numbers.failed_devices ? "bad" : undefined} />
        <Figure label={t.unknown} value={numbers.unknown_devices} tone={numbers.unknown_devices ? "warn" : undefined} />
        <Figure label={t.answered} value={`${numbers.deployment_progress} %`} />
      </Figures>
      <div className="grid">
        <Card title={t.facts}><dl className="facts">{facts.map(([term, value]) => <div key={term} className="fact"><dt>{term}</dt><dd>{value}</dd></div>)}</dl></Card>
        <Card title={t.config}><pre className="block">{JSON.stringify(application.config, null, 2)}</pre></Card>
      </div>
      <h2 className="section">{t.onDevices}</h2>
      <Table
        label={t.onDevices} sortedBy="name" rowKey={([name]) => name} rows={Object.entries(application.devices)}
        columns={[
          { key: "name", title: t.name, by: ([name]) => name, width: "minmax(9rem, 2fr)", cell: ([name]) => <Link to={`/devices/${name}`}>{name}</Link> },
          { key: "state", title: t.status, by: ([, state]) => state, width: "minmax(8.5rem, 1fr)", cell: ([, state]) => <Status phase={state} /> },
        ]}
        empty={<Empty title={t.onNoDevice} />}
      />
      <Confirm question={question} close={() => setQuestion(null)} />
    </Page>
  );
}
