{{/* The name of an image: (list . "platform"). */}}
{{- define "wasmbed.image" -}}
{{- $context := index . 0 -}}
{{- with $context.Values.image.registry }}{{ . }}/{{ end -}}
wasmbed/{{ index . 1 }}:{{ $context.Values.image.tag | default $context.Chart.AppVersion }}
{{- end }}

{{/* The data of the gateways' ConfigMap. */}}
{{- define "wasmbed.settings" -}}
advertise: {{ .Values.gateway.advertise | quote }}
settings.toml: {{ .Values.gateway.settings | quote }}
{{- end }}
