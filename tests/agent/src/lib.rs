//! Runs an unpacked task as the Azure Pipelines agent does.
