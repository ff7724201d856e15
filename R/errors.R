# Documentation only: every class of error, in one place. test-errors.R holds it against the core's list.

#' Handle errors of espalier
#'
#' Every error has the class `espalier_error_<code>` and the class `espalier_error`, so that it can be caught by
#' `tryCatch(..., espalier_error_run_failed = function(e) ...)`. The message says what failed, what was seen and what to
#' do. The condition's fields: `code`, `hint`, `parent` (the Python traceback where there is one) and facts such as
#' `path` or `run_id`.
#'
#' | class | when |
#' |---|---|
#' | `espalier_error_archive_invalid` | a file of exported runs is none, was changed, or holds what it must not |
#' | `espalier_error_artifact_missing` | the run has no such file |
#' | `espalier_error_artifact_unsafe` | the file is a link that leaves the run's folder |
#' | `espalier_error_bad_argument` | an argument has the wrong type or value |
#' | `espalier_error_bad_filter` | a filter, an order or a page token of a list of runs can't be read |
#' | `espalier_error_bad_job_file` | a job file can't be read, or a field of it is wrong |
#' | `espalier_error_bad_name` | a workspace, experiment, metric or artifact name breaks the naming rule |
#' | `espalier_error_build_failed` | an image or a private environment could not be built |
#' | `espalier_error_damaged` | a record or event log cannot be parsed |
#' | `espalier_error_disk_full` | a file cannot be written because its disk is full |
#' | `espalier_error_docker_unavailable` | there is no Docker engine that answers, or this user may not speak to it |
#' | `espalier_error_docker_failed` | the Docker engine answered that it cannot do what it was asked for |
#' | `espalier_error_environment_damaged` | a stored lock, image record or private environment does not match what it should be |
#' | `espalier_error_environment_invalid` | the definition of an environment is contradictory, or a field of it is wrong |
#' | `espalier_error_environment_missing` | the workspace has no such environment, or not that version of it |
#' | `espalier_error_executor_failed` | an executor of another package failed, took too long, or contradicts itself |
#' | `espalier_error_executor_missing` | the executor that a run names isn't installed |
#' | `espalier_error_file_exists` | the file to be written exists already |
#' | `espalier_error_forked` | a forked process called the core |
#' | `espalier_error_image_missing` | an image, or the base of one, is in no registry that was asked |
#' | `espalier_error_input_changed` | an input isn't what the job was submitted with |
#' | `espalier_error_input_missing` | an input's path does not exist |
#' | `espalier_error_internal` | a defect in espalier; please report it |
#' | `espalier_error_interpreter_missing` | Rscript, Python, or what renders a document was not found for the job |
#' | `espalier_error_keyvault_locked` | the keyvault cannot be opened: its key is missing or another's |
#' | `espalier_error_lock_failed` | the packages of an environment could not be resolved to exact versions |
#' | `espalier_error_needs_docker` | the environment asks for what only a container can give |
#' | `espalier_error_newer_format` | the record was written by a newer espalier |
#' | `espalier_error_not_enough_resources` | a job asks for more processors or memory than the host gives to runs |
#' | `espalier_error_not_permitted` | this user may not read or write a file or folder |
#' | `espalier_error_not_supported` | not in this version, or not on this system |
#' | `espalier_error_out_of_memory` | there is not enough memory |
#' | `espalier_error_output_missing` | a job ended well without a file or folder that it declares as an output |
#' | `espalier_error_extra_missing` | an optional Python package of espalier isn't installed where it is needed |
#' | `espalier_error_package_missing` | the repositories don't have the package, or not that version of it |
#' | `espalier_error_path_missing` | a file or folder is not there |
#' | `espalier_error_python_missing` | no usable Python was found or could be started |
#' | `espalier_error_python_unmet` | the session's Python is too old, or lacks or has loaded too old a package |
#' | `espalier_error_record_changed` | a run's definition or variables were changed after it was submitted |
#' | `espalier_error_registry_failed` | a registry does not answer, refuses the credentials, or gave what it was not asked for |
#' | `espalier_error_request_unanswered` | what a job asked espalier for was not answered in time |
#' | `espalier_error_run_exists` | a run was to be made under an id that another has |
#' | `espalier_error_run_failed` | the run that was waited for failed |
#' | `espalier_error_run_in_use` | the run has not ended, or one that hasn't ended needs it |
#' | `espalier_error_run_missing` | the run doesn't exist |
#' | `espalier_error_run_not_active` | the run has ended, or is not the kind of run that can do this |
#' | `espalier_error_script_missing` | the entry script does not exist, is a folder, is left out by ignore rules, or can't be executed |
#' | `espalier_error_secret_missing` | the keyvault has no such secret, or the job was not given it |
#' | `espalier_error_snapshot_damaged` | a stored file does not match its digest |
#' | `espalier_error_snapshot_missing` | the workspace has no such snapshot, or the run has none |
#' | `espalier_error_source_changed` | a file kept changing while the snapshot was taken |
#' | `espalier_error_source_missing` | the source directory does not exist or isn't a directory |
#' | `espalier_error_source_unreadable` | a file of the source directory cannot be read, or is neither file, folder nor link |
#' | `espalier_error_system_failed` | the operating system refused something for another reason |
#' | `espalier_error_too_many_files` | the limit on open files is reached |
#' | `espalier_error_too_many_processes` | the limit on processes and threads is reached |
#' | `espalier_error_unsupported_data` | a data frame or vector holds what cannot cross between R and Python |
#' | `espalier_error_wait_timed_out` | not all of the runs that were waited for had ended in time |
#' | `espalier_error_workspace_exists` | create_workspace() found one already there |
#' | `espalier_error_workspace_missing` | the folder isn't a workspace |
#' | `espalier_error_workspace_read_only` | the workspace's folder cannot be written |
#' | `espalier_error_writable_by_others` | what is to be executed, or a folder it lies in, can be changed by another user |
#'
#' @name espalier_errors
#' @aliases espalier_error
#' @examples
#' tryCatch(
#'   log_metric_to_run("", 1),
#'   espalier_error_bad_name = function(e) conditionMessage(e)
#' )
NULL
