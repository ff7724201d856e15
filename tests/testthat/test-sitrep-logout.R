# What becomes of jobs at logout, told from files of machines that are made up.

machine <- function(..., env = parent.frame()) {
  root <- withr::local_tempdir(.local_envir = env)
  files <- list(...)
  for (name in names(files)) {
    dir.create(dirname(file.path(root, name)), recursive = TRUE, showWarnings = FALSE)
    writeLines(files[[name]], file.path(root, name))
  }
  root
}
booted <- list("run/systemd/system/x" = "")
told <- function(root, user = "ada", env = character()) sitrep_logout(root, user, env)

test_that("where nothing kills, jobs go on", {
  expect_identical(told(machine())[c("value", "why", "problem")], list(value = "go on", why = "no systemd", problem = ""))
  root <- do.call(machine, c(booted, "etc/systemd/logind.conf" = "[Login]\n#KillUserProcesses=yes"))
  expect_identical(told(root)$value, "go on")
  root <- do.call(machine, c(booted, "etc/systemd/logind.conf" = "[Login]\nKillUserProcesses = no"))
  expect_identical(told(root)$why, "systemd keeps them")
})

test_that("KillUserProcesses is a problem, unless the user lingers or is spared", {
  root <- do.call(machine, c(booted, "etc/systemd/logind.conf" = "[Login]\nKillUserProcesses=yes"))
  found <- told(root)
  expect_identical(found$value, "are killed")
  expect_match(found$problem, "KillUserProcesses=yes in .*etc/systemd/logind.conf")
  expect_identical(found$fix, "loginctl enable-linger ada")
  expect_identical(told(root, "root")$value, "go on")
  dir.create(file.path(root, "var/lib/systemd/linger"), recursive = TRUE)
  file.create(file.path(root, "var/lib/systemd/linger/ada"))
  expect_identical(told(root)$value, "go on in a separate scope")
  expect_identical(told(root)$problem, "")
  expect_identical(told(root, "bob")$value, "are killed")
})

test_that("the last file has the last word, and lists of users count", {
  root <- do.call(machine, c(booted, list(
    "etc/systemd/logind.conf" = "[Login]\nKillUserProcesses=yes",
    "usr/lib/systemd/logind.conf.d/90-kill.conf" = "[Login]\nKillUserProcesses=no",
    "etc/systemd/logind.conf.d/10-only.conf" = "[Login]\nKillOnlyUsers=bob eve"
  )))
  expect_identical(told(root, "bob")$value, "go on")
  writeLines("[Login]\nKillUserProcesses=true", file.path(root, "etc/systemd/logind.conf.d/95-again.conf"))
  expect_identical(told(root, "bob")$value, "are killed")
  expect_identical(told(root, "ada")$value, "go on")
  # a file of the same name in /etc hides that of /usr/lib
  unlink(file.path(root, "etc/systemd/logind.conf.d/95-again.conf"))
  writeLines("[Login]", file.path(root, "etc/systemd/logind.conf.d/90-kill.conf"))
  expect_identical(told(root, "eve")$value, "are killed")
})

test_that("containers and pods end with all that is in them", {
  expect_identical(told(machine(".dockerenv" = ""))[c("value", "why", "problem")],
                   list(value = "end with the container that this R session runs in", why = "Docker", problem = ""))
  expect_match(told(machine("run/.containerenv" = ""))$why, "Podman")
  expect_match(told(machine(), env = c(KUBERNETES_SERVICE_HOST = "10.0.0.1"))$why, "Kubernetes pod, as Posit Workbench")
  expect_identical(told(machine(), env = c(container = "lxc"))$why, "lxc")
  expect_identical(told(machine(), env = c(container = ""))$value, "go on")
})
