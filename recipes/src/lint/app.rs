//! Checks of apps.

use super::Report;
use super::subject::Subject;
use crate::choice::list;
use crate::recipe::ShareOrigin;

/// The lengths of a summary that a list can show and that says something.
const SUMMARY: std::ops::RangeInclusive<usize> = 10..=80;

pub(super) fn no_summary(subject: &Subject<'_>, report: &mut Report<'_>) {
    if subject.app().is_some_and(|app| app.summary.is_none()) {
        report.add(&subject.head(), "it does not say what it is");
    }
}

pub(super) fn summary_style(subject: &Subject<'_>, report: &mut Report<'_>) {
    let Some(summary) = subject.app().and_then(|app| app.summary.as_deref()) else {
        return;
    };
    let length = summary.chars().count();
    let span = subject.value("summary");
    if !SUMMARY.contains(&length) {
        report.add(
            &span,
            format!("it has {length} characters, and 10 to 80 fit into a list"),
        );
    }
    if super::fixes::plain_summary(summary) != summary {
        report.add(
            &span,
            "it starts with a capital letter and no article, and has no stop at its end",
        );
    }
}

pub(super) fn no_license(subject: &Subject<'_>, report: &mut Report<'_>) {
    if subject.app().is_some_and(|app| app.license.is_none()) {
        report.add(&subject.head(), "it does not say under which licence it is");
    }
}

pub(super) fn bad_license(subject: &Subject<'_>, report: &mut Report<'_>) {
    if let Some(license) = subject.app().and_then(|app| app.license.as_deref())
        && let Err(error) = spdx::Expression::parse(license)
    {
        report.add(
            &subject.value("license"),
            format!("`{license}` is not an SPDX expression: {}", error.reason),
        );
    }
}

pub(super) fn other_license(subject: &Subject<'_>, report: &mut Report<'_>) {
    let (Some(app), Some(package)) = (subject.app(), &subject.known.package) else {
        return;
    };
    // Packages may write it as Cargo allowed once.
    let parse = |text: &str| {
        let canonical = spdx::Expression::canonicalize(text).ok()?;
        spdx::Expression::parse(canonical.as_deref().unwrap_or(text)).ok()
    };
    if let Some(ours) = &app.license
        && let (Some(own), Some(theirs)) = (parse(ours), parse(&package.license))
        && own != theirs
    {
        report.add(
            &subject.value("license"),
            format!("the package says `{}`", package.license),
        );
    }
}

pub(super) fn no_binaries(subject: &Subject<'_>, report: &mut Report<'_>) {
    if subject.app().is_some_and(|app| app.binaries.is_empty()) {
        report.add(
            &subject.head(),
            "it does not say which programs it installs, so it installs all that there are",
        );
    }
}

pub(super) fn unknown_binary(subject: &Subject<'_>, report: &mut Report<'_>) {
    let (Some(app), Some(package)) = (subject.app(), &subject.known.package) else {
        return;
    };
    for binary in app.binaries.difference(&package.binaries) {
        let known: Vec<&str> = package.binaries.iter().map(String::as_str).collect();
        report.add(
            &subject.item_of("binaries", binary),
            format!(
                "the package has no program `{binary}`; it has {}",
                list(&known)
            ),
        );
    }
}

pub(super) fn unknown_feature(subject: &Subject<'_>, report: &mut Report<'_>) {
    let (Some(app), Some(package)) = (subject.app(), &subject.known.package) else {
        return;
    };
    for feature in &app.features {
        if !package.features.contains(feature.as_str()) {
            report.add(
                &subject.item_of("features", feature.as_str()),
                format!("the package has no feature `{feature}`"),
            );
        }
    }
}

pub(super) fn unknown_file(subject: &Subject<'_>, report: &mut Report<'_>) {
    let (Some(app), Some(package)) = (subject.app(), &subject.known.package) else {
        return;
    };
    // Files of other versions are not looked for at an install either.
    let applies = package
        .version
        .as_ref()
        .is_none_or(|version| app.shares(version));
    for origin in app.share.values().filter(|_| applies) {
        if let ShareOrigin::File { file } = origin
            && !package.files.contains(file)
        {
            report.add(
                &subject.text_in("share", file),
                format!("the package has no file `{file}`"),
            );
        }
    }
}

pub(super) fn useless_alias(subject: &Subject<'_>, report: &mut Report<'_>) {
    let Some(app) = subject.app() else { return };
    for alias in &app.aliases {
        if *alias == app.name || app.binaries.contains(alias.as_str()) {
            report.add(
                &subject.item_of("aliases", alias.as_str()),
                format!("`{alias}` is found anyway: it is the name or a program"),
            );
        }
    }
}

pub(super) fn no_test(subject: &Subject<'_>, report: &mut Report<'_>) {
    if subject.app().is_some_and(|app| app.test.is_none()) {
        report.add(&subject.head(), "nothing shows that it works");
    }
}

pub(super) fn test_of_others(subject: &Subject<'_>, report: &mut Report<'_>) {
    let Some(app) = subject.app() else { return };
    let Some(test) = app.test.as_deref() else {
        return;
    };
    let calls = |binary: &String| {
        let word = |c: char| c.is_whitespace() || "|&;()'\"`$".contains(c);
        test.split(word).any(|word| word == binary)
    };
    if !app.binaries.is_empty() && !app.binaries.iter().any(calls) {
        report.add(&subject.value("test"), "it calls none of the programs");
    }
}
