// The applications: numbers, a table, creation from a file, and what can be done with each.

import { useState } from "react";
import { Button } from "react-aria-components";
import { Link, useSearchParams } from "react-router";
import { useApplicationActions } from "../application_actions";
import { Confirm, type Question } from "../confirm";
import { CreateApplication } from "../create_application";
import { moment } from "../format";
import { useObjects } from "../live";
import { Actions } from "../menu";
import { Empty, Figure, Figures, Loading, Page, Status } from "../parts";
import { usePreferences, useTexts } from "../preferences";
import { Progress } from "../progress";
import { Table, type Column } from "../table";
import type { Texts } from "../texts/en";
import { APPLICATION_PHASES, toneOf } from "../tone";
import type { Application } from "../types";

export default function Applications() {
  const t = useTexts();
  const { language } = usePreferences();
  const applications = useObjects("application");
  const [query, setQuery] = useSearchParams();
  const [question, setQuestion] = useState<Question | null>(null);
  const [words, setWords] = useState("");
  const actionsOf = useApplicationActions(setQuestion);
  if (!applications) return <Page title={t.places.applications}><Loading /></Page>;
  const all = [...applications.values()];
  const count = (...wanted: string[]) => all.filter((each) => wanted.includes(each.status)).length;
  const needle = words.trim().toLowerCase();
  const rows = all.filter((each) => !needle || [each.app_id, each.name, each.description, each.status].join(" ").toLowerCase().includes(needle));
  const columns: Column<Application>[] = [
    { key: "name", title: t.name, by: (each) => each.name, width: "minmax(8rem, 1.5fr)", cell: (each) => <Link to={`/applications/${each.app_id}`}>{each.name}</Link> },
    { key: "status", title: t.status, by: (each) => each.status, width: "minmax(9.5rem, 1fr)", cell: (each) => <Status phase={each.status} /> },
    { key: "description", title: t.description, by: (each) => each.description ?? "", width: "minmax(7rem, 1fr)", from: "wide", cell: (each) => each.description || "–" },
    { key: "targets", title: t.targets, width: "minmax(9rem, 1.2fr)", from: "medium", cell: (each) => targetsOf(each, t) },
    { key: "progress", title: t.running, by: (each) => each.statistics.running_devices, width: "minmax(8rem, 1fr)", from: "medium", cell: (each) => <Progress application={each} /> },
    { key: "updated", title: t.lastUpdated, by: (each) => each.last_updated ?? "", width: "minmax(12.5rem, 1.2fr)", from: "wide", cell: (each) => moment(each.last_updated, language) },
    { key: "actions", title: t.actions, width: "4.5rem", cell: (each) => <Actions label={t.actionsOf(each.name)} actions={() => actionsOf(each)} /> },
  ];
  return (
    <Page
      title={t.places.applications} lead={t.applicationsLead}
      actions={<><Link className="button" to="/deploy">{t.places.deploy}</Link><Button className="button primary" onPress={() => setQuery({ create: "" }, { replace: true })}>{t.createApplication}</Button></>}
    >
      <Figures>
        <Figure label={t.total} value={all.length} />
        {(["Running", "PartiallyRunning", "Deploying", "Stopped", "Failed"] satisfies (typeof APPLICATION_PHASES)[number][]).map((each) => (
          <Figure key={each} label={each} value={count(each)} tone={count(each) ? toneOf(each) : undefined} />
        ))}
      </Figures>
      <div className="controls" role="search">
        <input type="search" aria-label={t.search} placeholder={t.search} value={words} onChange={(event) => setWords(event.target.value)} />
        <p className="quiet" role="status">{t.shown(rows.length, all.length)}</p>
      </div>
      <Table
        label={t.places.applications} columns={columns} rows={rows} rowKey={(each) => each.app_id} sortedBy="name"
        empty={all.length === 0 ? <Empty title={t.noApplications}><p>{t.noApplicationsText}</p></Empty> : <Empty title={t.noneFits} />}
      />
      <CreateApplication open={query.has("create")} close={() => setQuery({}, { replace: true })} />
      <Confirm question={question} close={() => setQuestion(null)} />
    </Page>
  );
}

/** The targets in a few words. */
export function targetsOf(application: Application, t: Texts): string {
  if (application.all_devices) return t.targetWays.all;
  if (application.selector) return Object.entries(application.selector).map(([label, value]) => `${label}=${value}`).join(", ");
  const names = application.target_devices ?? [];
  return names.slice(0, 2).join(", ") + (names.length > 2 ? ` ${t.andMore(names.length - 2)}` : "");
}
