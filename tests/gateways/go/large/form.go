package main

import (
	"encoding/json"
	"os"
	"strings"
)

// Form says how the cluster spells the resources, where it is not as the documents have it.
type Form struct {
	API                    string            // group and version
	Kinds, Plurals, Phases map[string]string // by the documents' names
	Fields                 map[string]string // of spec and status; a dot leads into an object
}

// ReadForm reads a JSON file; without one the form is the documents'.
func ReadForm(file string) (Form, error) {
	form := Form{API: "wasmbed.io/v1"}
	if file == "" {
		return form, nil
	}
	text, err := os.ReadFile(file)
	if err == nil {
		err = json.Unmarshal(text, &form)
	}
	return form, err
}

// path spells the plural at the start of a path.
func (f Form) path(path string) string {
	end := strings.IndexAny(path+"/", "/?")
	return or(f.Plurals[path[:end]], path[:end]) + path[end:]
}

// outward spells the fields and the phase of a body.
func (f Form) outward(body any) any {
	object, ok := body.(Object)
	if !ok || len(f.Fields) == 0 {
		return body
	}
	made := Object{}
	for part, value := range object {
		made[part] = value
		if fields, ok := value.(Object); ok && (part == "spec" || part == "status") {
			spelled := Object{}
			for name, field := range fields {
				if phase, ok := field.(string); ok && name == "phase" {
					field = or(f.Phases[phase], phase)
				}
				outer, inner, nested := strings.Cut(or(f.Fields[name], name), ".")
				if nested {
					field = Object{inner: field}
				}
				spelled[outer] = field
			}
			made[part] = spelled
		}
	}
	return made
}

// inward is the inverse.
func (f Form) inward(object Object) Object {
	for _, part := range []string{"spec", "status"} {
		fields, _ := object[part].(Object)
		for name, spelled := range f.Fields {
			outer, inner, nested := strings.Cut(spelled, ".")
			field, found := fields[outer]
			if holder, ok := field.(Object); nested && ok {
				field, found = holder[inner]
			}
			if found {
				delete(fields, outer)
				fields[name] = field
			}
		}
		for phase, spelled := range f.Phases {
			if fields["phase"] == spelled {
				fields["phase"] = phase
				break
			}
		}
	}
	return object
}

func or(text, otherwise string) string {
	if text == "" {
		return otherwise
	}
	return text
}
