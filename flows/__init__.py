"""stylepress: manifests, plans, storage, Prefect flows, contact sheets, gallery and command line."""
