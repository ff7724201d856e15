# Documentation only: every class of error, in one place. test-errors.R holds it against the core's list.

#' Handle errors of espalier
#'
#' Use the classes below to catch a certain error: `tryCatch(..., espalier_error_run_failed = function(e) ...)`. Every
#' error of espalier also has the class `espalier_error`.
#'
#' The message gives the failure, its cause and the remedy. Fields of the condition: `code`, `hint`, `parent` (the
#' Python traceback, if there is one) and facts such as `path` or `run_id`.
#'
#' | class | when |
#' |---|---|
#' | `espalier_error_archive_invalid` | the file isn't one of exported runs, was changed, or was made to do harm |
#' | `espalier_error_artifact_missing` | the run has no such file |
#' | `espalier_error_artifact_unsafe` | the file is a link that leaves the run's folder |
#' | `espalier_error_bad_argument` | an argument has the wrong type or value |
#' | `espalier_error_bad_filter` | a filter, an order or a page token of a list of runs can't be read |
#' | `espalier_error_bad_job_file` | a job file can't be read, or a field of it is wrong |
#' | `espalier_error_bad_name` | a workspace, experiment, metric or artifact name breaks the naming rule |
#' | `espalier_error_build_failed` | an image or a private environment can't be built |
#' | `espalier_error_damaged` | a record or event log can't be parsed |
#' | `espalier_error_disk_full` | a file can't be written because its disk is full |
#' | `espalier_error_docker_unavailable` | no Docker engine answers, or this user may not use it |
#' | `espalier_error_docker_failed` | the Docker engine refused a request |
#' | `espalier_error_environment_damaged` | a stored lock, image record or private environment was changed |
#' | `espalier_error_environment_invalid` | the definition of an environment is contradictory or wrong |
#' | `espalier_error_environment_missing` | the workspace has no such environment, or not that version of it |
#' | `espalier_error_executor_failed` | an executor of another package failed, took too long, or contradicts itself |
#' | `espalier_error_executor_missing` | the executor that a run names isn't installed |
#' | `espalier_error_file_exists` | the file to be written exists already |
#' | `espalier_error_forked` | a forked process called the core |
#' | `espalier_error_image_missing` | no registry has the image, or the base of it |
#' | `espalier_error_input_changed` | an input has changed since the job was submitted |
#' | `espalier_error_input_missing` | an input's path doesn't exist |
#' | `espalier_error_internal` | a defect in espalier; please report it |
#' | `espalier_error_interpreter_missing` | Rscript, Python, or the program that renders a document isn't found |
#' | `espalier_error_keyvault_locked` | the keyvault can't be opened: its key is missing or doesn't fit |
#' | `espalier_error_lock_failed` | the packages of an environment can't be resolved to exact versions |
#' | `espalier_error_needs_docker` | the environment needs a container |
#' | `espalier_error_newer_format` | the record was written by a newer espalier |
#' | `espalier_error_not_enough_resources` | a job asks for more processors or memory than the host gives to runs |
#' | `espalier_error_not_permitted` | this user may not read or write a file or folder |
#' | `espalier_error_not_supported` | not in this version, or not on this system |
#' | `espalier_error_out_of_memory` | there isn't enough memory |
#' | `espalier_error_output_missing` | a job ended well without a file or folder that it declares as an output |
#' | `espalier_error_extra_missing` | an optional Python package of espalier isn't installed where it is needed |
#' | `espalier_error_package_missing` | the repositories don't have the package, or not that version of it |
#' | `espalier_error_path_missing` | a file or folder doesn't exist |
#' | `espalier_error_python_missing` | no usable Python is found, or it can't be started |
#' | `espalier_error_python_unmet` | the session's Python is too old, or a package in it is missing or too old |
#' | `espalier_error_record_changed` | a run's definition or variables were changed after it was submitted |
#' | `espalier_error_registry_failed` | a registry doesn't answer, refuses the login, or returns other content |
#' | `espalier_error_request_unanswered` | a request of a job wasn't answered in time |
#' | `espalier_error_run_exists` | another run has that id |
#' | `espalier_error_run_failed` | the awaited run failed |
#' | `espalier_error_run_in_use` | the run has not ended, or one that hasn't ended needs it |
#' | `espalier_error_run_missing` | the run doesn't exist |
#' | `espalier_error_run_not_active` | the run has ended, or its kind can't do this |
#' | `espalier_error_script_missing` | the entry script doesn't exist, is a folder, is ignored, or can't be executed |
#' | `espalier_error_secret_missing` | the keyvault doesn't have the secret, or the job may not read it |
#' | `espalier_error_snapshot_damaged` | a stored file doesn't match its digest |
#' | `espalier_error_snapshot_missing` | the workspace has no such snapshot, or the run has none |
#' | `espalier_error_source_changed` | a file kept changing while the snapshot was taken |
#' | `espalier_error_source_missing` | the source directory doesn't exist or isn't a directory |
#' | `espalier_error_source_unreadable` | a file of the source directory can't be read, or is neither file, folder nor link |
#' | `espalier_error_system_failed` | the operating system refused something for another reason |
#' | `espalier_error_too_many_files` | the limit on open files is reached |
#' | `espalier_error_too_many_processes` | the limit on processes and threads is reached |
#' | `espalier_error_unsupported_data` | a data frame or vector can't be passed between R and Python |
#' | `espalier_error_wait_timed_out` | not all of the awaited runs ended in time |
#' | `espalier_error_workspace_exists` | the folder is a workspace already |
#' | `espalier_error_workspace_missing` | the folder isn't a workspace |
#' | `espalier_error_workspace_read_only` | the workspace's folder can't be written |
#' | `espalier_error_writable_by_others` | another user can change a program to be executed, or its folder |
#'
#' @name espalier_errors
#' @aliases espalier_error
#' @examples
#' tryCatch(
#'   log_metric_to_run("", 1),
#'   espalier_error_bad_name = function(e) conditionMessage(e)
#' )
NULL
